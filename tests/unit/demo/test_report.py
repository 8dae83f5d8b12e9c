"""The report holds all that was played, and nothing that a browser or a reader's terminal would
obey.
"""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Pillow

from agentkit import Answer, File, Image, Invocation, Text
from agentkit.demo.checks import Check
from agentkit.demo.form import Verdict
from agentkit.demo.played import Decided
from agentkit.demo.player import Played
from agentkit.demo.report import ReportError, check_folder, write
from agentkit.demo.saved_play import in_order, lineages, names_of
from agentkit.demo.script import Script, read
from agentkit.demo.sources import AnsweredBy
from agentkit.errors import UsageError
from agentkit.values import MemoryBlobs
from tests.unit.demo.hand_made import answered, drawn, failed_picture, played, turn

HOSTILE = "<script>alert(1)</script><img src=x onerror=y> ![p](https://evil.example/p.png) \x1b[31m\u202e\"' </style>"


def script(name: str = "A demo", about: str = "About it.") -> Script:
    return read(
        json.dumps({"name": name, "about": about, "model": "a/b", "turns": [{"say": "hi"}]}),
        "x",
        folder=Path(),
    )


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.style = ""
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = "" if tag == self._within else self._within

    def handle_data(self, data: str) -> None:
        if self._within == "style":
            self.style += data
        else:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.tags if each == tag]


def both() -> tuple[Played, Played]:
    weather = Invocation(
        "call_1",
        "weather",
        {"city": "Oslo", "days": 2},
        status="completed",
        result="-4 °C",
        seconds=0.25,
    )
    draw = Invocation(
        "s_1",
        "openrouter:image_generation",
        None,
        "server",
        "completed",
        images=("img_1",),
        cost_usd=0.04,
        count=2,
    )
    fox, owl = drawn("img_1"), drawn("img_2", "navy", parents=("img_1",))
    first = turn(
        answered(
            Text("Before. **Bold**."),
            fox,
            Text("After."),
            owl,
            invocations=(weather, draw),
            failures=(failed_picture("404"),),
        )
    )
    second = turn(None, number=2, error="ConnectionFailed: no network")
    return played(first), played(first, second, api="responses", planned=3)


def test_all_that_was_played_is_in_the_page(tmp_path: Path) -> None:
    page = Page(write(script(), both(), tmp_path).read_text("utf-8"))
    for words in (
        "A demo",
        "About it.",
        "weather",
        "Oslo",
        "-4 °C",
        "250 ms",
        "$0.0400",
        "×2",
        "a fox called img_1",
        "16×9",
        "from img_1",
        "No picture: 404",
        "ConnectionFailed: no network",
        "1,200",
        "not every turn as expected",
        "1 of 3",
    ):
        assert words in page.words, words
    assert page.all("strong")
    sources = [str(each["src"]) for each in page.all("img")]
    assert set(sources) == {
        f"images/{api}/img_{number}.png" for api in ("chat", "responses") for number in (1, 2)
    }
    assert all((tmp_path / source).read_bytes().startswith(b"\x89PNG") for source in sources)
    assert all(each["alt"] for each in page.all("img"))


def test_a_picture_that_a_tool_returned_is_shown_once_with_what_it_was_made_from(
    tmp_path: Path,
) -> None:
    fox = drawn("img_1")
    hat = drawn(
        "img_2",
        "navy",
        prompt="",
        parents=("img_1",),
        cost_usd=0.034,
        model="x/painter",
        sources=(),
    )
    edit = Invocation(
        "call_1",
        "edit_image",
        {"images": ["img_1"]},
        status="completed",
        images=("img_2",),
        cost_usd=0.034,
    )
    answer = answered(fox, Text("There it is."), say="a hat", invocations=(edit,), returned=(hat,))
    write(script(), [played(turn(answer, say="a  hat on it", model="x/other"))], tmp_path)
    text = (tmp_path / "index.html").read_text("utf-8")
    article, gallery = text[text.index("<article>") :].split("Gallery</h2>")
    for part in (article, gallery):
        assert part.count('src="images/chat/img_2.png"') == 1
        assert "<b>img_2</b> for “a hat on it”" in part
        assert "made from img_1 · x/painter · $0.0340" in part
    assert article.index("edit_image") < article.index("There it is.") < article.index("img_2.png")
    assert "<small>to x/other</small>" in article
    told = (tmp_path / "transcript.md").read_text("utf-8")
    assert told.count("](images/chat/img_2.png)") == 1
    assert "made from img_1: for “a hat on it”" in told


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"status": "refused", "refusal": HOSTILE},
            "refused: <script>alert(1)</script><img src=x onerror=y>",
        ),
        ({"status": "limited", "closing": "images"}, "limited: the limit on pictures is reached"),
        (
            {"status": "limited", "closing": "tool_calls"},
            "limited: the limit on tool calls is reached",
        ),
        (
            {"status": "limited", "closing": "cost_usd"},
            "limited: what is left of the money does not pay for",
        ),
    ],
)
def test_a_run_that_was_refused_or_limited_says_so(
    tmp_path: Path, fields: dict[str, str], words: str
) -> None:
    answer = answered(Text("No."), **fields)  # type: ignore[arg-type]
    page = Page(write(script(), [played(turn(answer))], tmp_path).read_text("utf-8"))
    assert words in page.words
    assert not page.all("script")
    assert words.partition(":")[0] in (tmp_path / "transcript.md").read_text("utf-8")


def test_what_a_picture_cost_is_not_guessed(tmp_path: Path) -> None:
    turns = [turn(answered(Text("One."))), turn(answered(Text("Two."), cost=None), number=2)]
    page = Page(write(script(), [played(*turns)], tmp_path).read_text("utf-8"))
    assert "cost not told" in page.words
    assert "at least $0.0100" in page.words


def test_files_are_named_and_nothing_in_them_is_shown(tmp_path: Path) -> None:
    data = b"<script>alert(2)</script> in it"
    file = replace(File.from_bytes(data, name=f"{HOSTILE}.txt"), name="file_1")
    answer = answered(Text("Here."))
    run = answer.run.replace(files=(file,), arrived_files=("file_1",))
    for single_file in (False, True):
        turns = [played(turn(Answer.of(run)))]
        text = write(script(), turns, tmp_path, single_file=single_file).read_text("utf-8")
        page = Page(text)
        assert "file_1 (" in page.words
        assert ".txt, 31 bytes)" in page.words
        assert not page.all("script")
        assert not [each for each in page.all("img") if each["src"] == "x"]
        assert "alert(2)" not in text
        assert "\u202e" not in page.words
    told = (tmp_path / "transcript.md").read_text("utf-8")
    assert "file_1" in told
    assert "<script>" not in told


def test_words_and_pictures_stand_in_order(tmp_path: Path) -> None:
    text = write(script(), both()[:1], tmp_path).read_text("utf-8")
    places = [
        text.index(words)
        for words in (
            "Before.",
            'src="images/chat/img_1.png"',
            "After.",
            'src="images/chat/img_2.png"',
        )
    ]
    assert places == sorted(places)
    transcript = (tmp_path / "transcript.md").read_text("utf-8")
    places = [
        transcript.index(words)
        for words in (
            "weather",
            "Before.",
            "(images/chat/img_1.png)",
            "After.",
            "(images/chat/img_2.png)",
            "404",
        )
    ]
    assert places == sorted(places)


def test_the_page_needs_no_script_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = Page(write(script(), both(), tmp_path).read_text("utf-8"))
    policy = next(
        each["content"]
        for each in page.all("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    )
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert (
        policy
        == f"default-src 'none'; img-src 'self'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not page.all("script")
    assert not page.all("link")
    assert "url(" not in page.style
    for _, attributes in page.tags:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    call = Invocation("c", HOSTILE, {HOSTILE: HOSTILE}, status="failed", error=HOSTILE)
    answer = answered(
        Text(HOSTILE),
        drawn("img_1", alt=HOSTILE),
        say=HOSTILE,
        invocations=(call,),
        failures=(failed_picture(HOSTILE),),
    )
    hostile = played(turn(answer, say=HOSTILE, problems=(HOSTILE,), error=HOSTILE))
    page = Page(write(script(HOSTILE, HOSTILE), [hostile], tmp_path).read_text("utf-8"))
    assert not page.all("script")
    assert {each["src"] for each in page.all("img")} == {"images/chat/img_1.png"}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    transcript = (tmp_path / "transcript.md").read_text("utf-8")
    assert "<script" not in re.sub(r"\\<", "", transcript)
    assert "![p]" not in transcript
    for file in ("index.html", "transcript.md", "run.json"):
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", (tmp_path / file).read_text("utf-8")
        )


def test_names_of_pictures_never_become_paths(tmp_path: Path) -> None:
    answer = answered(drawn("../../evil"))
    write(script(), [played(turn(answer))], tmp_path / "out")
    assert [each.name for each in (tmp_path / "out/images/chat").iterdir()] == ["img_01.png"]
    assert not list(tmp_path.glob("*evil*"))


def test_an_svg_is_linked_and_lost_bytes_are_told(tmp_path: Path) -> None:
    data = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    svg = Image(
        hashlib.sha256(data).hexdigest(),
        "image/svg+xml",
        len(data),
        name="img_1",
        blobs=MemoryBlobs(data),
    )
    answer = answered(svg, drawn("img_2", blobs=None))
    page = Page(write(script(), [played(turn(answer))], tmp_path).read_text("utf-8"))
    assert not page.all("img")
    assert "images/chat/img_1.svg" in {each.get("href") for each in page.all("a")}
    assert "The bytes of img_2 are gone." in page.words


def test_the_record_holds_each_run(tmp_path: Path) -> None:
    write(script(), both(), tmp_path)
    record = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert record["version"] == 1
    chat, responses = record["conversations"]
    assert chat["turns"][0]["run"]["invocations"][0]["arguments"] == {"city": "Oslo", "days": 2}
    assert responses["turns"][1] == {
        "say": "hello",
        "seconds": 1.25,
        "problems": [],
        "error": "ConnectionFailed: no network",
        "run": None,
    }


def test_a_second_report_replaces_only_its_own_pictures(tmp_path: Path) -> None:
    write(script(), both(), tmp_path)
    (tmp_path / "images/mine.png").write_text("mine")
    (tmp_path / "images/chat/mine.png").write_text("mine")
    (tmp_path / "images/chat/img_9.jpg").write_text("stale")
    write(script(), both(), tmp_path)
    assert (tmp_path / "images/mine.png").read_text() == "mine"
    assert sorted(each.name for each in (tmp_path / "images/chat").iterdir()) == [
        "img_1.png",
        "img_2.png",
        "mine.png",
    ]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReportError, match=r"the report cannot be written to .*file"):
        write(script(), both(), tmp_path / "file")


EMULATOR = AnsweredBy("emulator")


@pytest.mark.parametrize(
    ("answered_by", "words", "kind"),
    [
        (
            EMULATOR,
            "Answered by the emulator: no model was asked, and nothing was paid.",
            "emulator",
        ),
        (AnsweredBy("openrouter"), "Answered by OpenRouter.", "openrouter"),
        (
            AnsweredBy("cassette", "fox.yaml", "OpenRouter"),
            "Answered by the cassette fox.yaml, recorded from OpenRouter. Its pictures are flat",
            "cassette",
        ),
    ],
)
def test_who_answered_stands_in_the_head(
    answered_by: AnsweredBy, words: str, kind: str, tmp_path: Path
) -> None:
    plays = [replace(each, model="a/b") for each in both()]
    page = Page(write(script(), plays, tmp_path, answered_by=answered_by).read_text("utf-8"))
    assert words in page.words
    assert (
        words.partition(".")[0].lower() in (tmp_path / "transcript.md").read_text("utf-8").lower()
    )
    record = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert record["answered_by"]["kind"] == kind
    assert (record["date"], record["is_whole"]) == ("2026-09-21T14:13:20+00:00", False)


def test_one_file_holds_all(tmp_path: Path) -> None:
    target = write(script(), both(), tmp_path / "new" / "fox.html", single_file=True)
    assert [each.name for each in target.parent.iterdir()] == ["fox.html"]
    page = Page(target.read_text("utf-8"))
    sources = [str(each["src"]) for each in page.all("img")]
    assert sources
    assert all(each.startswith("data:image/webp;base64,") for each in sources)
    assert not page.all("a")
    policy = next(
        each["content"]
        for each in page.all("meta")
        if "content" in each and "default-src" in str(each["content"])
    )
    assert "img-src 'self' data:;" in str(policy)
    again = write(script(), both(), target, single_file=True, pictures=True)
    hrefs = {str(each["href"]) for each in Page(again.read_text("utf-8")).all("a")}
    assert hrefs == {f"images/{api}/img_{n}.png" for api in ("chat", "responses") for n in (1, 2)}
    assert all((target.parent / each).is_file() for each in hrefs)


def test_one_file_without_pictures(tmp_path: Path) -> None:
    play = played(turn(answered(Text("Words alone."))))
    target = write(script(), [play], tmp_path / "x.html", single_file=True)
    assert "Words alone." in target.read_text("utf-8")


def noisy(number: int) -> Image:
    """A picture that no codec makes small."""
    picture = Pillow.effect_noise((900, 600), 90 + number).convert("RGB")
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    return Image(digest, "image/png", len(data), 900, 600, f"img_{number}", blobs=MemoryBlobs(data))


@pytest.mark.slow
def test_one_file_has_at_most_three_megabytes(tmp_path: Path) -> None:
    pictures = [noisy(number) for number in range(1, 13)]
    play = played(*(turn(answered(each), number=n) for n, each in enumerate(pictures, 1)))
    plays = [play, replace(play, api="responses"), replace(play, number=2)]
    size = write(script(), plays, tmp_path / "x.html", single_file=True).stat().st_size
    assert 300_000 < size <= 3_000_000


def test_what_is_no_report_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.json").write_text('{"my": "data"}')
    (tmp_path / "mine" / "index.html").write_text("<p>mine")
    for single in (False, True):
        with pytest.raises(UsageError, match="no report of agentkit"):
            check_folder(tmp_path / "mine", single_file=single)
        with pytest.raises(UsageError, match="no report of agentkit"):
            write(script(), both(), tmp_path / "mine", single_file=single)
    assert (tmp_path / "mine" / "index.html").read_text() == "<p>mine"
    (tmp_path / "old").mkdir()  # a report of an earlier version
    (tmp_path / "old" / "run.json").write_text('{"version": 1, "name": "x", "conversations": []}')
    assert write(script(), both(), tmp_path / "old").is_file()


def test_what_came_of_an_interrupted_play_is_told(tmp_path: Path) -> None:
    came = turn(answered(Text("So f")), error="interrupted before its end")
    page = Page(write(script(), [played(came, planned=3)], tmp_path).read_text("utf-8"))
    for words in ("So f", "interrupted before its end", "2 of 3 turns were not played"):
        assert words in page.words


def test_expectations_stand_beside_what_came(tmp_path: Path) -> None:
    checks = (
        Check("images", "2 images", "1", "unmet"),
        Check("text", "the text 'a'", "'a'", "met"),
        Check("image.has_alpha", "images with <b>", "flat", "skipped"),
    )
    shown = replace(turn(answered(Text("x")), problems=(checks[0].line,)), checks=checks)
    page = Page(write(script(), [played(shown)], tmp_path).read_text("utf-8"))
    cells = [each for each in page.words.split("\n") if each.strip()]
    assert any("2 images" in each for each in cells)
    assert page.words.count("2 images") == 1
    assert "the text 'a'" not in page.words
    assert "Not checked: 1 expectations" in page.words


def test_what_a_person_said_stands_at_the_call(tmp_path: Path) -> None:
    call = Invocation("c1", "pay", {"euros": 1}, status="completed", result="paid 1")
    asked = replace(call, arguments={"euros": 3}, status="pending")
    said = Verdict(approved=True, edit={"euros": 1})
    shown = replace(turn(answered(Text("x"), invocations=(call,))), decided=(Decided(asked, said),))
    page = Page(write(script(), [played(shown)], tmp_path).read_text("utf-8"))
    assert "A person was asked, and said: approved with euros: 1" in page.words
    assert "The model had asked for euros: 3" in page.words


def test_plays_stand_side_by_side(tmp_path: Path) -> None:
    plays = [
        replace(played(turn(answered(drawn("img_1"), say="x"))), model=model, number=number)
        for model in ("a/b", "a/c")
        for number in (1, 2)
    ]
    page = Page(write(script(), plays, tmp_path).read_text("utf-8"))
    tabs = [each.get("aria-label") for each in page.all("input")]
    assert tabs == ["a/b · play 1", "a/b · play 2", "a/c · play 1", "a/c · play 2", "Side by side"]
    assert [each.get("id") for each in page.all("input") if "checked" in each] == ["tab-5"]
    sources = {str(each["src"]) for each in page.all("img")}
    assert sources == {f"images/chat-a-{m}-{n}/img_1.png" for m in "bc" for n in (1, 2)}
    assert len({key for key, _ in names_of(plays * 2)}) == 8


def test_pictures_stand_after_those_they_were_made_from() -> None:
    made = [
        ("img_1", ()),
        ("img_2", ("img_1",)),
        ("img_3", ("img_2", "img_9")),
        ("img_4", ()),
        ("img_5", ("img_1",)),
        ("img_6", ("img_6",)),
    ]
    images = {name: drawn(name, parents=parents) for name, parents in made}
    strips = [[image.name for image in strip] for strip in lineages(images)]
    assert strips == [["img_1", "img_2", "img_3"], ["img_4"], ["img_1", "img_5"], ["img_6"]]


def test_a_sentence_with_a_colon_stands_before_its_picture() -> None:
    fox, owl = drawn("img_1"), drawn("img_2")

    def order(*parts: Text | Image) -> list[str]:
        return [part.text if isinstance(part, Text) else part.name for part in in_order(parts)]

    two = Text("Two. The first:\n\nThe second:")
    assert order(two, fox, owl) == ["Two. The first:", "img_1", "The second:", "img_2"]
    assert order(Text("Both:"), fox, owl) == ["Both:", "img_1", "img_2"]
    assert order(fox, Text("That was it:")) == ["img_1", "That was it:"]
    assert order(fox, owl) == ["img_1", "img_2"]
