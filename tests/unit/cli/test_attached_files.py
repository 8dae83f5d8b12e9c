"""Files in the command line and in the chat: what is no picture goes as a file, as its bytes say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, File, FileImageStore, OpenRouter, tool
from agentkit.cli.terminal.session import chat_with
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say
from tests.conftest import picture
from tests.documents import pdf
from tests.unit.cli.commands import asks, run
from tests.unit.cli.test_chat import Scripted

TOOL = """\
from agentkit import File, tool

@tool
def write() -> list:
    "Writes."
    return [File.from_bytes(b"a,b\\n1,2\\n", name="sums.csv")]
"""


def sent(emulator: Emulator, at: int = -1) -> str:
    """The last message of a request, as JSON."""
    bodies = [each.body for each in emulator.requests if each.body is not None]
    return json.dumps(bodies[at]["messages"][-1])


@tool
def write() -> list[File]:
    """Write a table."""
    return [File.from_bytes(b"a,b\n1,2\n", name="sums.csv")]


def test_what_is_no_picture_goes_as_a_file(tmp_path: Path, emulator: Emulator) -> None:
    (tmp_path / "report").write_bytes(pdf(3))
    (tmp_path / "cat.txt").write_bytes(picture())
    emulator.play([Reply([Say("Both.")]), Reply([Say("Dry.")])])
    env = asks(emulator, tmp_path)
    done = run("Compare", "-a", "report", "-a", "cat.txt", cwd=tmp_path, **env)
    assert (done.returncode, done.stdout) == (0, "Both.\n"), done.stderr
    assert "▤ file_1 · report · 3 pages · " in done.stderr
    assert "data:application/pdf" in sent(emulator)
    assert "data:image/png" in sent(emulator)
    done = run("Is it dry?", "-c", "-a", "-", stdin="Monday: rain", cwd=tmp_path, **env)
    assert (done.returncode, done.stdout) == (0, "Dry.\n"), done.stderr
    assert "▤ file_2 · file.txt · 12" in done.stderr
    [(cid, *_)] = [line.split("\t") for line in run("sessions", "list", **env).stdout.splitlines()]
    shown = run("sessions", "show", cid, **env).stdout.splitlines()
    assert Path(shown[1].removeprefix("  ")).read_bytes() == pdf(3)
    first = json.loads(run("sessions", "show", cid, "--json", **env).stdout.splitlines()[0])
    assert [each["kind"] for each in first["parts"]] == ["text", "file", "image"]


def test_what_is_at_an_address_is_what_its_bytes_are(tmp_path: Path, emulator: Emulator) -> None:
    emulator.play(
        [Reply([Draw("a fox", shape="url")]), Reply([Say("A fox.")]), Reply([Say("Ok.")])]
    )
    env = asks(emulator, tmp_path)
    run("Draw a fox", **env)
    address = next(each.path for each in emulator.requests if each.path.startswith("/i/"))
    origin = emulator.base_url.partition("/api/")[0]
    done = run("What is it?", "-a", f"{origin}{address}", **env)
    assert (done.returncode, done.stdout) == (0, "A fox.\n"), done.stderr
    assert "data:image/png" in sent(emulator)
    done = run("What is it?", "-a", f"{emulator.base_url}/models", **env)
    assert (done.returncode, done.stdout) == (0, "Ok.\n"), done.stderr
    assert "▤ file_1 · models · " in done.stderr
    done = run("What is it?", "-a", f"{origin}/nothing.pdf", **env)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith(f"agentkit: -a {origin}/nothing.pdf: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.pdf", b"<html>Log in</html>", "it is no PDF, as its name says, but text/html"),
        ("b.pdf", pdf(1, trailer=b"/Encrypt 4 0 R"), "the PDF is encrypted"),
        ("c.png", b"<html>Log in</html>", "are no picture that is known here"),
        ("d.txt", b"", "it has no bytes"),
    ],
)
def test_a_file_that_nobody_can_use_is_one_line(
    tmp_path: Path, emulator: Emulator, name: str, data: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(data)
    done = run("Read", "-a", name, cwd=tmp_path, **asks(emulator, tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"agentkit: -a {name}: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert emulator.posts == []


@pytest.mark.parametrize("how", ["", "--no-stream", "--json"])
def test_files_of_the_answer_are_named_and_saved(
    tmp_path: Path, emulator: Emulator, how: str
) -> None:
    (tmp_path / "tools.py").write_text(TOOL)
    (tmp_path / "out/files").mkdir(parents=True)
    (tmp_path / "out/files/sums.csv").write_text("mine")
    emulator.play([Reply([CallTool("write", {})]), Reply([Say("Done.")])])
    options = ["-T", "tools.py:write", "--out", str(tmp_path / "out"), *filter(None, [how])]
    done = run("Write", "it", *options, cwd=tmp_path, **asks(emulator, tmp_path))
    path = tmp_path / "out/files/sums-2.csv"
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == b"a,b\n1,2\n"
    assert (tmp_path / "out/files/sums.csv").read_text() == "mine"
    if how != "--json":
        assert done.stdout == f"Done.\n{path}\n"
        assert "▤ file_1 · sums.csv · 8" in done.stderr
        return
    events = [json.loads(line) for line in done.stdout.splitlines()]
    files = next(each["files"] for each in events if each["kind"] == "invocation_finished")
    assert [(each["name"], each["path"]) for each in files] == [("file_1", str(path))]


async def chat(
    client: OpenRouter, folder: Path, *typed: str, tools: tuple[Any, ...] = ()
) -> Scripted:
    face = Scripted(*typed)
    store = FileImageStore(folder / "store")
    agent = Agent("openai/gpt-5.2", client=client, tools=tools, store=store, checks=False)
    await chat_with(agent, face=face)
    return face


async def test_files_in_a_chat(emulator: Emulator, client: OpenRouter, tmp_path: Path) -> None:
    report, notes, saved = tmp_path / "report.pdf", tmp_path / "notes.txt", tmp_path / "saved"
    report.write_bytes(pdf(2))
    notes.write_text("Monday: rain")
    emulator.play([Reply([CallTool("write", {})]), Reply([Say("One.")]), Reply([Say("Two.")])])
    face = await chat(
        client,
        tmp_path,
        *(f"/attach {each}" for each in (report, notes, report)),
        "Read them",
        f"/attach {notes}",
        "/undo",
        "Once more",
        "/files",
        f"/save {saved}",
        tools=(write,),
    )
    lines = face.lines
    told = re.findall(r"(\w+_\d) goes with the next message", face.out.getvalue())
    assert told == ["file_1", "file_2", "file_1", "file_2", "file_1", "file_2", "file_1"]
    assert lines.count("▤ file_3 · sums.csv · 8 B") >= 1, lines
    assert any(each.startswith("▤ file_1 · report.pdf · 2 pages · ") for each in lines)
    assert "application/pdf" in sent(emulator)
    assert (saved / "files/report.pdf").read_bytes() == pdf(2)
    assert (saved / "files/notes.txt").read_text() == "Monday: rain"


async def test_a_url_is_attached_and_what_may_run_is_not_opened(
    emulator: Emulator, client: OpenRouter, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><script>alert(1)</script>")
    emulator.play([Reply([Say("Read.")])])
    url = "http://127.0.0.1:1/report.pdf"
    face = await chat(
        client,
        tmp_path,
        f"/attach {url}",
        f"/attach {page}",
        "Read",
        "/open file_1",
        "/open file_2",
    )
    shown = " ".join(face.lines)
    assert "✗ not fetched: 127.0.0.1 is no public address" in face.lines
    assert "/open file_1: text/html is not opened" in shown
    assert "there is no picture 'file_2'" in shown


async def test_a_file_that_changes_before_it_is_sent_goes_as_it_was(
    emulator: Emulator, client: OpenRouter, tmp_path: Path
) -> None:
    class Changes(Scripted):
        async def read(self) -> str | None:
            line = await super().read()
            if line == "Read it":
                notes.write_text("Monday: sun")
            return line

    notes = tmp_path / "notes.txt"
    notes.write_text("Monday: rain")
    emulator.play([Failure("no such thing", 400), Reply([Say("Read.")])])
    face = Changes(f"/attach {notes}", "Read it", "/retry", f"/attach {tmp_path / 'none.pdf'}")
    store = FileImageStore(tmp_path / "store")
    await chat_with(Agent("openai/gpt-5.2", client=client, store=store, checks=False), face=face)
    assert "the attached files go with the next message" in face.lines
    assert "Read." in face.lines
    assert "✗ cannot read the file" in face.out.getvalue()
    assert "Monday: rain" in sent(emulator)
