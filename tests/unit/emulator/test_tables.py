"""Tables of the emulator that are written as text."""

from agentkit.emulator.tables import kind_by_word, number_by_word, pairs, word_list, word_set


def test_words_are_parted_by_spaces_and_lines() -> None:
    text = """
        red green
        blue red
    """
    assert word_list(text) == ("red", "green", "blue", "red")
    assert word_set(text) == {"red", "green", "blue"}


def test_a_pair_goes_on_in_lines_that_are_indented_further() -> None:
    table = pairs(
        """
        fox: It hunts by ear: it hears
            a mouse under snow.
        owl: It flies without a sound.
        empty:
        """
    )
    assert table == {
        "fox": "It hunts by ear: it hears a mouse under snow.",
        "owl": "It flies without a sound.",
        "empty": "",
    }


def test_a_kind_is_a_word_of_its_own_and_the_first_line_keeps_a_word() -> None:
    table = kind_by_word(
        """
        dog: puppy
            hound
        wolf: hound
        """
    )
    assert table == {"dog": "dog", "puppy": "dog", "hound": "dog", "wolf": "wolf"}


def test_words_of_a_number() -> None:
    assert number_by_word("0.5: cat dog\n2: whale") == {"cat": 0.5, "dog": 0.5, "whale": 2.0}


def test_no_text_is_an_empty_table() -> None:
    assert (pairs(""), kind_by_word("\n"), number_by_word(""), word_list("")) == ({}, {}, {}, ())
