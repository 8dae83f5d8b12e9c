"""Files in prompts and from tools: how they go, what they cost, when they become a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentkit import Budget, File, History, Image, ModelSettings, Run, tool
from agentkit.emulator import CallTool, Raw, Reply, Say, UseServerTool
from agentkit.errors import FileError, ToolDefinitionError, Unsupported
from agentkit.events import InvocationFinished
from tests.conftest import Bench, picture
from tests.documents import pdf

TEXT_ALONE = "openai/gpt-oss-20b"


def report(pages: int = 3, name: str = "report.pdf") -> File:
    return File.from_bytes(pdf(pages), name=name)


def parts_of(body: Any, kind: str) -> list[Any]:
    """The parts of this type in a request's messages."""
    held = body.get("messages") or body.get("input")
    lists = [each.get("content") for each in held] + [each.get("output") for each in held]
    return [
        part for each in lists if isinstance(each, list) for part in each if part["type"] == kind
    ]


def files_in(bench: Bench, at: int = -1) -> list[str]:
    """The names of the files in a request."""
    body = bench.emulator.requests[at].body
    chat = [part["file"]["filename"] for part in parts_of(body, "file")]
    return chat + [part["filename"] for part in parts_of(body, "input_file")]


def engine_in(bench: Bench) -> str | None:
    plugins = bench.emulator.requests[-1].body.get("plugins") or ()
    found = [each["pdf"]["engine"] for each in plugins if each["id"] == "file-parser"]
    return found[0] if found else None


def said(bench: Bench, at: int = -1) -> str:
    return json.dumps(bench.emulator.requests[at].body, ensure_ascii=False)


async def test_a_scan_is_read_once(bench: Bench) -> None:
    """In Chat Completions; in Responses there is nothing to send back, and each turn tells what it
    costs.
    """
    settings = ModelSettings(pdf_engine="mistral-ocr")
    chat = bench.agent(model=TEXT_ALONE, checks=True, settings=settings).conversation()
    first = await bench.ask(chat, ["What is in it?", report()])
    costs = [first.usage.cost_usd]
    for number in range(2, 6):
        costs.append((await bench.ask(chat, f"Question {number}?")).usage.cost_usd)
        assert files_in(bench) == ["report.pdf"]
        assert engine_in(bench) == "mistral-ocr"
    reads = 1 if bench.way.api == "chat" else 5
    assert [each.cost_usd for each in bench.emulator.parses] == [0.006] * reads
    dear = [cost for cost in costs if cost is not None and cost > 0.006]
    assert len(dear) == reads
    assert chat.usage.cost_usd == pytest.approx(
        sum(each.cost_usd for each in bench.emulator.ledger)
    )
    # The pictures of its pages are the file's.
    assert (first.images, dict(chat.images), first.failures) == ((), {}, ())
    loaded = Run.from_json(first.run.to_json(), blobs=bench.store)
    assert loaded == first.run
    again = bench.agent(model=TEXT_ALONE, settings=settings).conversation(run=loaded)
    await bench.ask(again, "And now?")
    assert len(bench.emulator.parses) == (1 if bench.way.api == "chat" else 6)


async def test_the_engine_is_always_told(bench: Bench) -> None:
    for model, engine in ((TEXT_ALONE, "cloudflare-ai"), ("openai/gpt-5.2", "native")):
        chat = bench.agent(model=model, checks=True).conversation()
        await bench.ask(chat, ["What is in it?", report()])
        assert engine_in(bench) == engine
        await bench.ask(chat, "More?")
    natives = [each for each in bench.emulator.parses if each.engine == "native"]
    assert len(natives) == 2  # the model itself reads it in each turn
    own = ModelSettings(plugins=({"id": "file-parser", "pdf": {"engine": "mistral-ocr"}},))
    await bench.ask(bench.agent(settings=own), report())
    assert engine_in(bench) == "mistral-ocr"
    await bench.ask(bench.agent(), "No file")
    assert engine_in(bench) is None


async def test_an_older_file_becomes_a_line_and_comes_back(bench: Bench) -> None:
    settings = ModelSettings(pdf_engine="mistral-ocr")
    agent = bench.agent(model=TEXT_ALONE, history=History(files=1), settings=settings)
    chat = agent.conversation()
    for number in range(1, 4):
        await bench.ask(chat, ["Read", report(number, f"r{number}.pdf")])
    # They go a few at a time, so that a prompt cache is of use.
    assert files_in(bench) == ["r1.pdf", "r2.pdf", "r3.pdf"]
    await bench.ask(chat, "What was in the last one?")
    assert files_in(bench) == ["r3.pdf"]
    assert "[files that are not shown here: file_1 (r1.pdf, 1 page" in said(bench)
    assert '"Page 1 of r1.pdf."' not in said(bench)
    await bench.ask(chat, "What was in file_1?")
    assert files_in(bench) == ["r3.pdf", "r1.pdf"]
    assert [file.name for file in chat.files.values()] == ["file_1", "file_2", "file_3"]
    if bench.way.api == "chat":  # what was read out of it came back with it
        assert [each.name for each in bench.emulator.parses] == ["r1.pdf", "r2.pdf", "r3.pdf"]


async def test_the_same_bytes_are_one_file_and_no_two_have_one_name(bench: Bench) -> None:
    answer = await bench.ask(bench.agent(), [report(), report(), report(4)])
    names = [(file.name, file.file_name) for file in answer.run.files]
    assert names == [("file_1", "report.pdf"), ("file_2", "report-2.pdf")]
    assert files_in(bench) == ["report.pdf", "report-2.pdf"]


async def test_text_goes_as_text_where_files_are_not_taken(bench: Bench) -> None:
    notes = File.from_bytes('Ада said "hi"\n\\x\0'.replace("\0", "").encode("utf-16"), name="n.txt")
    long = File.from_bytes(b"x" * (300 << 10), name="long.log")
    await bench.ask(bench.agent(model=TEXT_ALONE, checks=True), ["Read", notes, long])
    assert files_in(bench) == []
    kind = "text" if bench.way.api == "chat" else "input_text"
    texts = [part["text"] for part in parts_of(bench.emulator.requests[-1].body, kind)]
    assert 'Ада said "hi"\n\\x' in texts
    assert "x" * (256 << 10) in texts
    assert "[the end of file_2; only its first 262144 bytes are here]" in texts
    await bench.ask(bench.agent(checks=True), ["Read", notes])
    assert files_in(bench) == ["n.txt"]


async def test_what_a_model_cannot_take_is_said_before_a_request(bench: Bench) -> None:
    agent = bench.agent(model=TEXT_ALONE, checks=True)
    letter = File.from_bytes(b"PK\x03\x04" + bytes(30), name="a.docx")
    with pytest.raises(
        Unsupported, match=r"takes no files, and 'a.docx' .*these can: openai/gpt-5"
    ):
        await bench.ask(agent, [letter, "Read"])
    latin = File.from_bytes("Grüße".encode("latin-1"), name="a.txt")
    with pytest.raises(Unsupported, match="its encoding is not known: save it as UTF-8"):
        await bench.ask(agent, [latin, "Read"])
    assert bench.emulator.posts == []


async def test_another_model_gets_a_line_of_what_it_cannot_take(bench: Bench) -> None:
    chat = bench.agent(checks=True).conversation()
    await bench.ask(chat, ["Read", File.from_bytes(b"PK\x03\x04" + bytes(30), name="a.docx")])
    assert files_in(bench) == ["a.docx"]
    chat.model = TEXT_ALONE
    await bench.ask(chat, "And now?")
    assert files_in(bench) == []
    assert "[files that are not shown here: file_1 (a.docx" in said(bench)


async def test_a_tool_gives_and_gets_files(bench: Bench, tmp_path: Path) -> None:
    @tool
    def export() -> dict[str, Any]:
        """A table."""
        return {"table": File.from_bytes(b"a,b\n1,2\n", name="t.csv"), "also": report()}

    bench.emulator.play(CallTool("export", {}), "Done.")
    chat = bench.agent(tools=[export]).conversation()
    events: list[Any] = []
    if bench.way.stream:
        async with chat.stream("Export") as stream:
            events = [event async for event in stream]
        answer = stream.answer
    else:
        answer = await chat.send("Export")
    assert [file.name for file in answer.files] == ["file_1", "file_2"]
    assert answer.invocations[0].files == ("file_1", "file_2")
    assert '{"table":"file_1","also":"file_2"}' in (answer.invocations[0].result or "")
    ended = [event for event in events if isinstance(event, InvocationFinished)]
    assert [event.files for event in ended] == ([answer.files] if bench.way.stream else [])
    assert files_in(bench) == ["report.pdf"]  # the table went as its words
    assert "a,b\\n1,2\\n" in said(bench)
    folder = answer.save(tmp_path)
    assert (folder / "files" / "t.csv").read_bytes() == b"a,b\n1,2\n"
    assert Run.from_json(answer.run.to_json(), blobs=bench.store) == answer.run


async def test_a_tool_takes_the_file_that_the_model_names(bench: Bench) -> None:
    taken: list[object] = []

    @tool
    def count(file: File, others: list[File] | None = None) -> str:
        """Count the words.

        Args:
            file: What is read.
            others: More.
        """
        taken.extend([file, others])
        return str(len(file.text().split()))

    @tool
    def look(picture: Image) -> str:
        """Look."""
        return picture.name

    fields = count.parameters.schema["properties"]
    assert fields["file"] == {
        "type": "string",
        "description": "What is read (the handle of a file in this conversation, such as file_2)",
    }
    calls = [
        CallTool("count", {"file": name, "others": ["file_2"]}) for name in ("file_9", "file_1")
    ]
    bench.emulator.play(*calls, CallTool("look", {"picture": "file_1"}), "Two.")
    notes = File.from_bytes(b"two words", name="n.txt")
    # No file goes to the model, which only needs the handle.
    letter = File.from_bytes(b"PK\x03\x04" + bytes(30), name="a.docx")
    agent = bench.agent(model=TEXT_ALONE, checks=True, tools=[count, look])
    answer = await bench.ask(agent, ["How many?", notes, letter])
    assert taken == [answer.run.file("file_1"), [answer.run.file("file_2")]]
    assert "file_2 (a.docx, 34 bytes)" in said(bench)
    unknown, counted, looked = answer.invocations
    assert "there is no file 'file_9' in this conversation; there is: file_1, file_2" in (
        unknown.error or ""
    )
    assert counted.result == "2"
    assert "there is no picture 'file_1'" in (looked.error or "")


async def test_what_server_tools_leave_is_kept_as_files(bench: Bench) -> None:
    """A shell leaves files in its container, which the words cite, too; a code interpreter gives
    URLs. Chat Completions has no such items.
    """
    if bench.way.api == "chat":
        return
    table, plan = b"day,rain\nMonday,7\n", pdf(2)
    shell = UseServerTool("openrouter:shell", files={"../rain.csv": table, "plan.pdf": plan})
    bench.emulator.play(Reply([shell, Say("See rain.csv.")]), "It rains.")
    chat = bench.agent().conversation()
    events: list[Any] = []
    if bench.way.stream:
        async with chat.stream("Write") as stream:
            events = [event async for event in stream]
        answer = stream.answer
    else:
        answer = await chat.send("Write")
    told = [(file.name, file.file_name, file.media_type, file.pages) for file in answer.files]
    assert told == [
        ("file_1", "rain.csv", "text/csv", None),
        ("file_2", "plan.pdf", "application/pdf", 2),
    ]
    assert [file.bytes() for file in answer.files] == [table, plan]
    assert answer.invocations[0].files == ("file_1", "file_2")
    assert {file.invocation_id for file in answer.files} == {answer.invocations[0].id}
    ended = [event for event in events if isinstance(event, InvocationFinished)]
    assert [event.files for event in ended] == ([answer.files] if bench.way.stream else [])
    assert (answer.failures, answer.images) == ((), ())
    assert Run.from_json(answer.run.to_json(), blobs=bench.store) == answer.run
    assert list(chat.files) == ["file_1", "file_2"]
    await bench.ask(chat, "And now?")  # the items go back as they came
    assert list(chat.files) == ["file_1", "file_2"]


async def test_a_file_that_turns_out_to_be_a_picture_is_one(bench: Bench) -> None:
    if bench.way.api == "chat":
        return
    plot, table = picture(), b"day,rain\nMonday,7\n"
    shell = UseServerTool("openrouter:shell", files={"plot.dat": plot, "rain.csv": table})
    bench.emulator.play(Reply([shell, Say("See plot.dat.")]), "It rains.")
    chat = bench.agent().conversation()
    answer = await bench.ask(chat, "Plot it")
    assert [image.bytes() for image in answer.images] == [plot]
    assert [file.bytes() for file in answer.files] == [table]
    (call,) = answer.invocations
    assert (call.images, call.files, answer.failures) == (("img_1",), ("file_1",), ())
    assert answer.images[0].invocation_id == call.id
    assert [each.name for each in answer.messages[-1].images] == ["img_1"]
    assert Run.from_json(answer.run.to_json(), blobs=bench.store) == answer.run
    again = await bench.ask(chat, "And now?")
    assert (again.text, list(chat.images), list(chat.files)) == (
        "It rains.",
        ["img_1"],
        ["file_1"],
    )


async def test_a_file_at_a_url_is_fetched_once_and_kept_when_the_url_is_gone(bench: Bench) -> None:
    if bench.way.api == "chat":
        return
    table = b"day,rain\nMonday,7\n"
    url = bench.emulator.lend(table, "text/csv")
    output = {"type": "file", "filename": "rain.csv", "media_type": "text/csv", "download_url": url}
    raw = {
        "type": "openrouter:shell", "id": "s1", "status": "completed", "outputs": [output, output]
    }  # fmt: skip
    bench.emulator.play(Reply([Raw(responses=raw), Say("Done.")]), "Seven.")
    chat = bench.agent().conversation()
    answer = await bench.ask(chat, "Write")
    (file,) = answer.files
    assert (file.name, file.file_name, file.media_type) == ("file_1", "rain.csv", "text/csv")
    assert file.bytes() == table
    assert (answer.failures, answer.invocations[0].files) == ((), ("file_1",))
    bench.emulator.expire_urls()
    again = await bench.ask(chat, "How much?")
    assert (again.text, again.files, again.failures) == ("Seven.", (), ())
    assert chat.files["file_1"].bytes() == table


async def test_what_of_a_container_cannot_be_had_is_named(bench: Bench) -> None:
    if bench.way.api == "chat":
        return
    ids = {"type": "container_file_citation", "container_id": "cntr_1", "file_id": "cfile_1"}
    output = {"type": "file", "filename": "b.csv", "media_type": "text/csv"}
    gone = {**output, "download_url": f"{bench.emulator.base_url}/gone.csv?sig=secret"}
    items: dict[str, dict[str, Any]] = {
        "'a.txt' (cntr_1/cfile_1): ": {"files": [{**ids, "filename": "a.txt"}]},
        "no single path segment": {"files": [{**ids, "file_id": "../../keys", "filename": "k"}]},
        "the file 'b.csv': ": {"outputs": [gone]},
    }
    for words, fields in items.items():
        raw = {"type": "openrouter:shell", "id": "s1", "status": "completed", **fields}
        bench.emulator.play(Reply([Raw(responses=raw), Say("Done.")]))
        answer = await bench.ask(bench.agent(), "Write")
        assert (answer.text, answer.files) == ("Done.", ())
        (failure,) = answer.failures
        assert words in failure.reason
        assert failure.source.place == "file"
        assert failure.invocation_id == "s1"
        assert "secret" not in repr(failure)


async def test_a_sub_agent_is_handed_files_and_hands_files_back(bench: Bench) -> None:
    @tool
    def summarise(file: File) -> File:
        """Summarise."""
        return File.from_bytes(b"short", name=f"short-{file.saved_name}")

    helper = bench.agent(tools=[summarise]).as_tool("helper", "Helps.")
    chat = bench.agent(tools=[helper]).conversation()
    bench.emulator.play("Which?")
    await bench.ask(chat, [report(4), File.from_bytes(b"two words", name="n.txt")])
    bench.emulator.play(
        CallTool("helper", {"prompt": "Shorten it", "files": ["file_2"]}, id="call_h"),
        CallTool("summarise", {"file": "file_1"}, id="call_s"),
        "Done: file_2.",
        "It is in file_3.",
    )
    answer = await bench.ask(chat, "Have it shortened")
    (given,) = answer.files
    assert (given.name, given.file_name, given.bytes()) == ("file_3", "short-n.txt", b"short")
    assert given.invocation_id == "call_h/call_s"
    assert [(each.id, each.files) for each in answer.invocations] == [
        ("call_h", ("file_3",)),
        ("call_h/call_s", ("file_3",)),
    ]
    # The sub-agent's handles are its own: the caller is told its own names for them.
    assert answer.invocations[0].result == "Done: file_3."


def test_a_file_parameter_that_cannot_be_told_to_a_model() -> None:
    def either(file: File | str) -> str:
        """Takes both."""
        return str(file)

    with pytest.raises(ToolDefinitionError, match="is a File or a str"):
        tool(either)


async def test_a_file_that_changed_or_is_gone(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    file = File.from_path(path)
    path.write_text("two")
    with pytest.raises(FileError, match=r"file 1 of the prompt .* has changed"):
        await bench.ask(bench.agent(), [file])
    chat = bench.agent().conversation()
    await bench.ask(chat, [report(), File.from_bytes(b"words", name="w.txt")])
    for each in chat.files.values():
        bench.store.delete(each.sha256)
    await bench.ask(chat, "What did they say?")
    assert files_in(bench) == []
    assert "[files that are not shown here: file_1 (report.pdf" in said(bench)


async def test_the_pages_of_a_scan_are_held_in_the_budget(bench: Bench) -> None:
    settings = ModelSettings(pdf_engine="mistral-ocr", max_tokens=10)
    agent = bench.agent(model=TEXT_ALONE, checks=True, settings=settings)
    limited = await bench.ask(agent, ["Read", report(40)], budget=Budget(0.07))
    assert (limited.status, limited.limit) == ("limited", "cost_usd")
    assert bench.emulator.posts == []
    answer = await bench.ask(agent, ["Read", report(40)], budget=Budget(0.09))
    assert answer.usage.cost_usd == pytest.approx(0.08, abs=0.001)


async def test_runs_of_the_version_before_are_read(bench: Bench) -> None:
    answer = await bench.ask(bench.agent(), "Hello")
    value = json.loads(answer.run.to_json())
    for name in ("files", "arrived_files"):
        del value[name]
    old = Run.from_json(json.dumps({**value, "version": 2}))
    assert old == answer.run
