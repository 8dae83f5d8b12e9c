"""What a run has given, as its user sees it: words and pictures in order, each picture once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.answer import Answer
from agentkit.errors import ImageError, UsageError
from agentkit.run import Run
from agentkit.values import (
    Image,
    ImageFailure,
    Invocation,
    MemoryBlobs,
    Message,
    Part,
    Place,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from tests.disks import fill, small_disk


def picture(letter: str, place: Place = "images") -> Image:
    return Image(letter * 64, "image/png", 10, sources=(Source(place),))


def run_of(*replies: tuple[Part, ...], **changes: Any) -> Run:
    run = Run("r", "m", "chat", (Message("user", (Text("draw"),)),), 0)
    for parts in replies:
        shown: list[Part] = []
        for part in parts:
            if isinstance(part, Image):
                run, named = run.with_image(part)
                part = replace(named, sources=part.sources)
            shown.append(part)
        run = replace(run, messages=(*run.messages, Message("assistant", tuple(shown))))
    return replace(run, status="completed", **changes)


def shape(answer: Answer) -> list[str]:
    return [part.text if isinstance(part, Text) else f"<{part.sha256[0]}>" for part in answer.parts]


def test_texts_of_one_message_are_joined_and_messages_are_apart() -> None:
    answer = Answer.of(run_of((Text("One"), Reasoning("…"), Text(" two.")), (), (Text("Three."),)))
    assert answer.text == "One two.\n\nThree."
    assert shape(answer) == ["One two.\n\nThree."]


def test_pictures_without_a_place_follow_the_words_of_their_message() -> None:
    answer = Answer.of(
        run_of((picture("a"), Text("Here."), picture("b", "reasoning_details")), (Text("Done."),))
    )
    assert shape(answer) == ["Here.", "<a>", "<b>", "\n\nDone."]


def test_placed_pictures_stand_where_the_words_show_them() -> None:
    answer = Answer.of(
        run_of((Text("A "), picture("a", "text"), Text(" B "), picture("b", "content"), Text(" C")))
    )
    assert shape(answer) == ["A ", "<a>", " B ", "<b>", " C"]
    assert answer.text == "A  B  C"


def test_a_picture_that_came_twice_stands_once_at_its_place_in_the_words() -> None:
    answer = Answer.of(
        run_of((picture("a", "images"), Text("See "), picture("a", "text"), Text(".")))
    )
    assert shape(answer) == ["See ", "<a>", "."]
    (image,) = answer.images
    assert [source.place for source in image.sources] == ["images", "text"]


def test_a_picture_drawn_in_one_message_and_shown_in_the_next_stands_in_the_next() -> None:
    answer = Answer.of(
        run_of((Text("Drawing."), picture("a")), (Text("Look: "), picture("a", "text")))
    )
    assert shape(answer) == ["Drawing.\n\nLook: ", "<a>"]


def test_a_picture_shown_twice_in_the_words_stands_at_the_first() -> None:
    answer = Answer.of(
        run_of((Text("x "), picture("a", "text"), Text(" y "), picture("a", "text")))
    )
    assert shape(answer) == ["x ", "<a>", " y "]


def test_images_hold_those_that_tools_returned_in_the_order_of_arrival() -> None:
    run = run_of((ToolCall("c", "chart", "{}"),))
    run, chart = run.with_image(picture("t", "tool"))
    result = Message("tool", (ToolResult("c", "chart", (Text("drawn"), chart)),))
    run = replace(run, messages=(*run.messages, result, Message("assistant", (Text("There."),))))
    answer = Answer.of(run)
    assert [image.name for image in answer.images] == ["img_1"]
    assert shape(answer) == ["There."]


def test_pictures_that_tools_returned_are_shown_behind_the_words() -> None:
    data = (b"GIF89a" + b"\0" * 20, b"GIF89a" + b"\1" * 20)
    chart, fox = (replace(Image.from_bytes(each), sources=(Source("tool"),)) for each in data)
    run, named = run_of((ToolCall("c", "chart", "{}"),)).with_image(chart)
    run, placed = run.with_image(replace(fox, alt="a fox"))
    result = Message("tool", (ToolResult("c", "chart", (named, placed)),))
    there = replace(placed, sources=(Source("text"),))
    run = replace(
        run,
        messages=(
            *run.messages,
            result,
            Message("assistant", (Text("See "), there, Text(" there."))),
        ),
    )
    answer = Answer.of(run)
    assert [part.name for part in answer.shown if isinstance(part, Image)] == ["img_2", "img_1"]
    assert answer.shown[: len(answer.parts)] == answer.parts
    assert answer.to_markdown().index("img_2.gif") < answer.to_markdown().index("there.")
    assert answer.to_markdown().count("](images/img_1.gif)") == 1
    for page in (answer.to_html(), answer._repr_mimebundle_()["text/html"]):
        assert page.count("<img ") == 2


def test_the_users_pictures_are_none_of_the_answers() -> None:
    run, mine = run_of((Text("Nice."),)).with_image(picture("u", "user"), arrived=False)
    answer = Answer.of(run)
    assert answer.images == ()
    assert run.images == (mine,)


def test_only_this_runs_messages_are_in_the_answer() -> None:
    run = run_of((Text("old"),), (Text("new"),))
    run = replace(
        run,
        messages=(*run.messages[:2], Message("user", (Text("more"),)), run.messages[2]),
        start=2,
    )
    answer = Answer.of(run)
    assert answer.text == "new"
    assert [message.text for message in answer.messages] == ["more", "new"]


def test_a_partial_reply_is_shown_and_is_no_message() -> None:
    run = replace(
        run_of((Text("Whole."),)), partial=Message("assistant", (Text("Half"), picture("p")))
    )
    answer = Answer.of(run)
    assert answer.text == "Whole.\n\nHalf"
    assert len(answer.messages) == 2


@pytest.mark.parametrize("status", ["completed", "limited", "refused", "paused"])
def test_the_status_is_the_runs(status: Any) -> None:
    assert Answer.of(replace(run_of(), status=status)).status == status


def test_a_run_that_has_no_end_yet_is_interrupted() -> None:
    assert Answer.of(replace(run_of(), status="running")).status == "interrupted"


def test_failures_usage_pending_calls_and_output_are_carried_over() -> None:
    failure = ImageFailure(Source("images", "https://x/"), "https://x/", "HTTP 403")
    calls = (Invocation("1", "a"), Invocation("2", "b", executor="server", status="completed"))
    answer = Answer.of(
        run_of(failures=(failure,), invocations=calls, spent=(Usage(1), Usage(2))), {"x": 1}
    )
    assert (answer.failures, answer.usage.input_tokens, answer.output) == ((failure,), 3, {"x": 1})
    assert answer.pending == (calls[0],)


def test_neighbouring_citations_are_kept_together() -> None:
    one, two = {"type": "url_citation", "n": 1}, {"type": "url_citation", "n": 2}
    (text,) = Answer.of(run_of((Text("a", (one,)), Text("b", (two,))))).parts
    assert text == Text("ab", (one, two))


def test_saving_writes_words_run_and_pictures(tmp_path: Path) -> None:
    image = Image.from_bytes(b"GIF89a" + b"\0" * 20)
    image = replace(image, sources=(Source("images"),))
    run = run_of((Text("Here."), image))
    target = Answer.of(run).save(tmp_path / "out")
    assert (target / "images" / "img_1.gif").read_bytes() == image.bytes()
    assert "img_1.gif" in (target / "answer.md").read_text(encoding="utf-8")
    assert (
        Run.from_json(
            (target / "run.json").read_text(encoding="utf-8"), blobs=MemoryBlobs(image.bytes())
        )
        == run
    )


def test_what_can_be_saved_is_saved_before_an_error_tells_of_the_rest(tmp_path: Path) -> None:
    here, gone, late = (Image.from_bytes(b"GIF89a" + bytes([each]) * 20) for each in (1, 2, 3))
    run = run_of((Text("Here."), here, replace(gone, blobs=MemoryBlobs()), late))
    with pytest.raises(
        ImageError, match=r"all but 1 of 3 pictures: .*img_2 .*no longer in the store"
    ):
        Answer.of(run).save(tmp_path)
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == [
        "img_1.gif",
        "img_3.gif",
    ]
    assert "Here." in (tmp_path / "answer.md").read_text("utf-8")
    assert Run.from_json((tmp_path / "run.json").read_text("utf-8")).id == run.id


def test_saving_where_nothing_can_be_written(tmp_path: Path) -> None:
    for taken in ("images", "run.json/x", "answer.md/x"):
        folder = tmp_path / taken.partition("/")[0].replace(".", "_")
        (folder / taken).parent.mkdir(parents=True)
        (folder / taken).write_bytes(b"mine")
        with pytest.raises(UsageError, match=r"Answer\.save\("):
            Answer.of(run_of((Text("Here."),))).save(folder)


def test_a_full_disk_leaves_what_was_saved_before(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 512) as disk:
        before = run_of((Text("Before."),))
        Answer.of(before).save(disk / "out")
        ballast = fill(disk, leaving=16384)
        with pytest.raises(UsageError, match=r"Answer\.save\(.*No space left on device"):
            Answer.of(run_of((Text("words " * 10_000),))).save(disk / "out")
        ballast.unlink()
        assert Run.from_json((disk / "out" / "run.json").read_bytes()) == before
        assert (disk / "out" / "answer.md").read_text("utf-8") == "Before.\n"
        names = {path.name for path in (disk / "out").iterdir()}
        assert names == {"run.json", "answer.md", "images"}


def test_saving_follows_no_link(tmp_path: Path) -> None:
    mine, out = tmp_path / "mine", tmp_path / "out"
    (out / "images").mkdir(parents=True)
    mine.mkdir()
    (mine / "file").write_bytes(b"mine")
    image = Image.from_bytes(b"GIF89a" + b"\0" * 20)
    (out / "run.json").symlink_to(mine / "file")
    (out / "answer.md").symlink_to(mine / "file")
    (out / "images" / "img_1.gif").symlink_to(mine)
    run = run_of((Text("Here."), replace(image, sources=(Source("images"),))))
    Answer.of(run).save(out)
    assert [path.read_bytes() for path in mine.iterdir()] == [b"mine"]
    assert (out / "images" / "img_1.gif").read_bytes() == image.bytes()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "images").symlink_to(mine)
    with pytest.raises(UsageError, match="images.* is a link, which is not followed"):
        Answer.of(run).save(tmp_path / "other")
    assert [path.name for path in mine.iterdir()] == ["file"]


def test_bytes_that_only_a_failure_holds_are_saved(tmp_path: Path) -> None:
    gif = b"GIF89a" + b"\0" * 20
    failures = (
        ImageFailure(Source("images"), "https://x.example/a.png", "404"),
        ImageFailure(Source("images"), None, "the disk is full", data=gif),
        ImageFailure(Source("images"), None, "the disk is full, too", data=b"half"),
    )
    target = Answer.of(replace(run_of((Text("Here."),)), failures=failures)).save(tmp_path)
    assert (target / "images" / "failure_2.gif").read_bytes() == gif
    assert (target / "images" / "failure_3.bin").read_bytes() == b"half"
    assert len(list((target / "images").iterdir())) == 2
    words = (target / "answer.md").read_text("utf-8")
    assert "> No picture: the disk is full ([its bytes](images/failure_2.gif))" in words


def test_saving_where_a_file_lies(tmp_path: Path) -> None:
    (tmp_path / "out.png").write_bytes(b"mine")
    with pytest.raises(
        UsageError, match=r"Answer\.save\(.*out\.png.*\): .*a file; accepted is a folder"
    ):
        Answer.of(run_of((Text("Here."),))).save(tmp_path / "out.png")
    with pytest.raises(UsageError, match="a file; accepted is a folder"):
        Answer.of(run_of((Text("Here."),))).save(tmp_path / "out.png" / "inside")
    assert (tmp_path / "out.png").read_bytes() == b"mine"


def test_the_repr_is_one_short_line() -> None:
    words = repr(Answer.of(run_of((Text("x" * 500),))))
    assert len(words) < 130


places: st.SearchStrategy[Place] = st.sampled_from(
    ["images", "text", "content", "reasoning_details", "server_tool"]
)
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, st.sampled_from(["", "a", " ", "word"])),
    st.builds(picture, st.sampled_from("abc"), places),
    st.builds(Reasoning, st.just("hm")),
)


@given(st.lists(st.lists(parts, max_size=5).map(tuple), max_size=4))
def test_nothing_is_lost_and_no_picture_stands_twice(replies: list[tuple[Part, ...]]) -> None:
    run = run_of(*replies)
    answer = Answer.of(run)
    given_pictures = {part.sha256 for parts in replies for part in parts if isinstance(part, Image)}
    shown = [part.sha256 for part in answer.parts if isinstance(part, Image)]
    assert sorted(shown) == sorted(given_pictures)
    assert "".join(part.text for part in answer.parts if isinstance(part, Text)) == answer.text
    assert {image.sha256 for image in answer.images} == given_pictures
    assert all(isinstance(part, Image) or part.text for part in answer.parts)
    assert answer.text == "\n\n".join(
        words
        for parts in replies
        if (words := "".join(part.text for part in parts if isinstance(part, Text)))
    )
