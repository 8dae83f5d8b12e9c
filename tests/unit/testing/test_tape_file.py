"""Cassettes on the disk: what is read of them, and that they are written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import vcr
import yaml

from agentkit.errors import UsageError
from agentkit.testing.tape_file import MAX_BYTES, Interaction, read, write

HELLO = Interaction(
    "POST",
    "https://openrouter.test/api/v1/responses",
    {"content-type": ["application/json"]},
    b'{"input":"Hello"}',
    200,
    "OK",
    {"content-type": ["text/event-stream"], "retry-after": ["1", "2"]},
    b"data: 1\n\ndata: 2\n\n",
)
NASTY = (
    b"",
    b" \n  leading and trailing \n ",
    b"\xff\xd8\xff picture",
    "ünï \u2028 \u2029 \x85 \ufeff \U0001f98a".encode(),
    b"\r\nCRLF\r\n",
    b"\t- a: *b\n&c !!python/object:x {",
    b"control \x00 \x1b \x7f",
    b"\n\n\n",
    b"'single' \"double\" \\ %",
)


@pytest.mark.parametrize("body", NASTY)
def test_what_is_written_is_read(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "new" / "folder" / "a.yaml"
    written = [HELLO, Interaction("GET", "https://a.test/é", {}, body, 404, "", {}, body)]
    write(path, written, "One line.\nAnother line.")
    assert path.read_text().startswith("# One line.\n# Another line.\nversion: 1\n")
    assert read(path) == written
    assert [each.name for each in path.parent.iterdir()] == ["a.yaml"]


def test_vcrpy_reads_what_is_written(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", [HELLO], "")
    with vcr.use_cassette(tmp_path / "a.yaml", record_mode="none") as tape:
        assert [each.uri for each in tape.requests] == [HELLO.uri]
        assert tape.responses[0]["body"]["string"] == HELLO.body


def test_there_may_be_none(tmp_path: Path) -> None:
    assert read(tmp_path / "none.yaml") is None
    (tmp_path / "empty.yaml").write_text(" \n")
    assert read(tmp_path / "empty.yaml") is None


def document(**changes: Any) -> dict[str, Any]:
    request = {"method": "GET", "uri": "https://a.test/", "body": None, "headers": {}}
    status = {"code": 200, "message": "OK"}
    response = {"status": status, "headers": {}, "body": {"string": "x"}}
    for at, value in changes.items():
        owner: Any = {"request": request, "response": response, "status": status}
        part, _, key = at.partition("__")
        owner[part][key] = value
    return {"version": 1, "interactions": [{"request": request, "response": response}]}


EDITED: list[tuple[dict[str, Any], str]] = [
    ({"version": 2, "interactions": []}, "version is 2, accepted is 1"),
    ({"interactions": []}, "version is None, accepted is 1"),
    ({"version": 1}, "interactions is None, accepted is a list"),
    ({"version": 1, "interactions": [7]}, "interactions[0] is 7, accepted is a mapping"),
    (document(request__method=None), "interactions[0].request.method is None, accepted is a text"),
    (document(request__uri=7), "interactions[0].request.uri is 7"),
    (document(request__body=[1]), "interactions[0].request.body is [1], accepted is a text or"),
    (document(request__headers={"a": 7}), "interactions[0].request.headers.a is [7]"),
    (document(request__headers=[]), "interactions[0].request.headers is [], accepted is a map"),
    (document(status__code="200"), "response.status.code is '200', accepted is a status from"),
    (document(status__code=20_000), "response.status.code is 20000"),
    (document(response__body="x"), "interactions[0].response.body is 'x', accepted is a mapping"),
    (document(response__status=None), "interactions[0].response.status is None"),
]


@pytest.mark.parametrize(("edited", "words"), EDITED, ids=lambda value: str(value)[:60])
def test_a_field_that_was_edited_is_named(
    tmp_path: Path, edited: dict[str, Any], words: str
) -> None:
    path = tmp_path / "edited.yaml"
    path.write_text(yaml.safe_dump(edited))
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path} is no cassette that can be played: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("interactions: !!python/object/apply:os.getcwd []\n", "python/object"),
        ("a: !mine x\n", "!mine"),
        ("a: [\n", "line 2"),
        ("a: *nothing\n", "undefined alias"),
        ("just words", "it is 'just words', accepted is a mapping"),
        ("a: " + "[" * 50_000, "deeper than 32 levels"),
        ("&a [*a]", "it is [[...]], accepted is a mapping"),
        ("a: \x00", "control characters"),
    ],
    ids=["object", "tag", "cut", "alias", "words", "deep", "circle", "control"],
)
def test_what_is_no_cassette_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read(path)
    assert words in str(caught.value)


def test_what_is_no_text_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "binary.yaml", tmp_path):
        with pytest.raises(UsageError, match="is no cassette that can be played"):
            read(path)


def test_a_file_of_100_mb_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(UsageError, match=f"has 100000000 bytes, accepted are {MAX_BYTES}"):
        read(path)


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, [HELLO], "")
    before = path.read_bytes()
    broken = Interaction("GET", "u", {}, None, 200, object(), {}, b"")  # type: ignore[arg-type]
    with pytest.raises(yaml.YAMLError):
        write(path, [HELLO, broken], "")
    with pytest.raises(OSError, match=r"a\.yaml"):
        write(path / "below" / "b.yaml", [HELLO], "")
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.yaml"]
