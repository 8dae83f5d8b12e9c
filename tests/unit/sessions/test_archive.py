"""A conversation that is exported and loaded again is the same one; a file that was edited, or made
to do harm, is refused by the name of what is wrong in it.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

import pytest
from sqlalchemy import select, update

from agentkit import Agent, Image, ImageGeneration, tool
from agentkit.emulator import CallTool, Draw, Failure, Reply, Say
from agentkit.errors import AgentkitError, StoreError, UsageError
from agentkit.images import MemoryImageStore
from agentkit.sessions import SavedConversation, Sessions, archive
from agentkit.sessions.archive_file import MOST_BYTES
from agentkit.sessions.catalogue import listed
from agentkit.sessions.database import Database
from agentkit.sessions.tables import conversations, messages, runs, stored_pictures
from tests.conftest import Bench, Way, picture

FOX = picture(size=(160, 120), noise=1)
BLUE = picture("blue")
DRAWN = Reply([Say("Here: "), Draw("a fox", data=FOX), Say("a fox.")])
NOW = 5_000.0
ONCE = pytest.mark.parametrize(
    ("way", "database_url"), [(Way("chat", stream=False), "sqlite")], indirect=True, ids=str
)
"""For what is about the file alone."""
JSON, MANIFEST = "conversation.json", "manifest.json"


@pytest.fixture(params=[Way("chat", stream=False), Way("responses", stream=True)], ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param


@tool
def forecast(city: str) -> str:
    """Tells the weather."""
    return f"rain in {city}"


@tool(approve=True)
def launch() -> str:
    """Launches."""
    return "gone"


class House:
    """A database with its store and the agents that use both."""

    def __init__(self, bench: Bench, url: str, store: MemoryImageStore) -> None:
        self.bench, self.store = bench, store
        self.sessions = Sessions(url, store=store)
        self.database = Database(url)

    def close(self) -> None:
        self.sessions.close()
        self.database.close()

    def agent(self, **options: Any) -> Agent[Any]:
        tools = options.pop("tools", [ImageGeneration(), forecast, launch])
        return self.bench.agent(store=self.store, tools=tools, **options)

    def chat(self, name: str) -> SavedConversation[Any]:
        return self.agent().conversation(name, sessions=self.sessions)

    def export(self, chat: str, path: Path) -> tuple[str, ...]:
        return archive.export(self.database, self.store, chat, path)

    def load(self, path: Path, chat: Any = None, **options: Any) -> str:
        return archive.load(self.database, self.store, path, chat=chat, now=NOW, **options)


@pytest.fixture
def house(bench: Bench, database_url: str) -> Iterator[House]:
    made = House(bench, database_url, bench.store)
    yield made
    made.close()


@pytest.fixture
def other(bench: Bench, tmp_path: Path) -> Iterator[House]:
    """Another machine's."""
    made = House(bench, f"sqlite:///{tmp_path}/other.db", MemoryImageStore())
    yield made
    made.close()


@pytest.fixture
async def exported(house: House, tmp_path: Path) -> Path:
    """A conversation of three turns, of which one failed."""
    house.bench.emulator.play(
        [
            DRAWN,
            Reply([CallTool("forecast", {"city": "Oslo"})]),
            "It rains.",
            Reply([Draw("a hen", data=picture("white")), CallTool("forecast", {"city": "Rom"})]),
            Failure("no credits", 402),
        ]
    )
    chat = house.chat("ada/1")
    await house.bench.ask(chat, ["Draw a fox like this", Image.from_bytes(BLUE)])
    await house.bench.ask(chat, "Weather?")
    with pytest.raises(AgentkitError):
        await house.bench.ask(chat, "A hen")
    assert house.export("ada/1", tmp_path / "ada.zip") == ()
    return tmp_path / "ada.zip"


def edited(path: Path, change: Callable[[dict[str, bytes]], None], *, signed: bool = False) -> Path:
    """The archive with other contents; `signed`: with a manifest that fits them."""
    with zipfile.ZipFile(path) as file:
        files = {name: file.read(name) for name in file.namelist()}
    change(files)
    if signed:
        manifest = json.loads(files[MANIFEST])
        manifest["files"] = {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
            if name != MANIFEST
        }
        files[MANIFEST] = json.dumps(manifest).encode()
    made = path.with_name("edited.zip")
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return made


def with_json(path: Path, change: Callable[[Any], None]) -> Path:
    """The archive with another `conversation.json`, and a manifest that fits it."""

    def changed(files: dict[str, bytes]) -> None:
        found = json.loads(files[JSON])
        change(found)
        files[JSON] = json.dumps(found).encode()

    return edited(path, changed, signed=True)


async def test_it_is_the_same_elsewhere(exported: Path, house: House, other: House) -> None:
    assert other.load(exported) == "ada/1"
    chat, loaded = house.chat("ada/1"), other.chat("ada/1")
    assert loaded.messages == chat.messages
    assert dict(loaded.images) == dict(chat.images)
    assert [image.bytes() for image in loaded.images.values()] == [BLUE, FOX, picture("white")]
    assert loaded.usage == chat.usage
    assert (loaded.title, loaded.model, loaded.api) == (chat.title, chat.model, chat.api)
    assert loaded.interrupted is None
    with other.database.reading() as connection:
        (row,) = listed(connection)
    assert (row.turns, row.user, row.status) == (2, None, "idle")
    house.bench.emulator.play([Reply([Draw("an owl", data=picture("brown"))])])
    answer = await house.bench.ask(loaded, "And an owl")
    assert [image.name for image in answer.images] == ["img_4"]
    assert len(loaded.messages) == len(chat.messages) + 2


async def test_it_is_loaded_beside_the_first(exported: Path, house: House) -> None:
    with pytest.raises(UsageError, match=r"Sessions.load\(new_id='ada/1'\).*no conversation has"):
        house.load(exported)
    assert house.load(exported, "copy", user="bo") == "copy"
    chat, copy = house.chat("ada/1"), house.chat("copy")
    assert copy.messages == chat.messages
    house.bench.emulator.play(["Two."])
    await house.bench.ask(copy, "One more")
    assert len(house.chat("ada/1").messages) == len(copy.messages) - 2
    with house.database.reading() as connection:
        assert [each.user for each in listed(connection)] == ["bo", None]
        assert len(set(connection.scalars(select(runs.c.id)))) == 7


@ONCE
async def test_by_sessions(exported: Path, house: House, other: House) -> None:
    again = exported.with_name("again.zip")
    assert await house.sessions.export("ada/1", str(again)) == ()
    assert await other.sessions.load(again, "copy", user="bo") == "copy"
    assert [each.user for each in await other.sessions.list()] == ["bo"]
    paths: list[Any] = ["", "a\0b", 7, None, b"a.zip"]
    for path in paths:
        with pytest.raises(UsageError, match=r"Sessions.export\(path=.*accepted is the path"):
            await house.sessions.export("ada/1", path)
        with pytest.raises(UsageError, match=r"Sessions.load\(.*accepted is the path"):
            await house.sessions.load(path)
    with pytest.raises(UsageError, match=r"Sessions.load\(.*accepted is a conversation"):
        await house.sessions.load("x" * 5_000)


@ONCE
def test_it_is_the_same_file_each_time(exported: Path, house: House) -> None:
    again = exported.with_name("again.zip")
    house.export("ada/1", again)
    assert again.read_bytes() == exported.read_bytes()
    with zipfile.ZipFile(exported) as file:
        names = file.namelist()
        assert file.testzip() is None
    sums = sorted(hashlib.sha256(data).hexdigest() for data in (BLUE, FOX, picture("white")))
    assert sorted(names) == sorted([JSON, MANIFEST, *(f"images/{each}.png" for each in sums)])


async def test_no_key_is_in_it(house: House, tmp_path: Path) -> None:
    house.bench.emulator.play(["You said sk-or-test-key."])
    await house.bench.ask(house.chat("a"), "My key is sk-or-test-key")
    house.export("a", tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        data = b"".join(file.read(name) for name in file.namelist())
    assert b"My key is" in data
    assert b"sk-or-test-key" not in data


async def test_what_waits_is_not_loaded(house: House, other: House, tmp_path: Path) -> None:
    house.bench.emulator.play(["One.", Reply([Draw("a fox", data=FOX), CallTool("launch", {})])])
    chat = house.chat("a")
    await house.bench.ask(chat, "First")
    answer = await house.bench.ask(chat, "Launch")
    assert answer.status == "paused"
    house.export("a", tmp_path / "a.zip")
    other.load(tmp_path / "a.zip")
    loaded = other.chat("a")
    assert loaded.waiting is None
    assert [each.text for each in loaded.messages] == ["First", "One."]
    assert list(loaded.images) == ["img_1"]
    assert loaded.usage == chat.usage
    with other.database.reading() as connection:
        states = connection.scalars(select(runs.c.state)).all()
    assert not any(json.loads(each)["waiting"] for each in states)


@ONCE
def test_a_call_without_a_result_gets_one(exported: Path, other: House) -> None:
    def cut(found: Any) -> None:
        """Take out each message with a result."""
        for each in found["runs"]:
            said = each["run"]["messages"]
            each["run"]["messages"] = [one for one in said if one["role"] != "tool"]

    other.load(with_json(exported, cut))
    chat = other.chat("ada/1")
    roles = [each.role for each in chat.messages]
    assert roles == ["user", "assistant", "user", "assistant", "tool", "assistant"]
    (result,) = chat.messages[4].parts
    assert "cancelled" in str(result)


@ONCE
async def test_a_picture_of_somebody_elses_is_not_had_by_its_digest(
    exported: Path, other: House
) -> None:
    secret = other.store.create()
    secret.write(picture("gold"))
    digest = secret.keep()
    fox = hashlib.sha256(FOX).hexdigest()

    def change(files: dict[str, bytes]) -> None:
        files[JSON] = files[JSON].replace(fox.encode(), digest.encode())
        del files[f"images/{fox}.png"]

    other.load(edited(exported, change, signed=True))
    chat = other.chat("ada/1")
    assert list(chat.images) == ["img_1", "img_3"]
    assert all(image.sha256 != digest for message in chat.messages for image in message.images)
    assert "(img_2: its bytes are not in the exported conversation)" in chat.messages[1].text
    other.bench.emulator.play(["Done."])
    await other.bench.ask(chat, "What was it?")
    sent = json.dumps(other.bench.emulator.requests[-1].body)
    assert "What was it?" in sent
    assert b64encode(picture("gold")).decode() not in sent


@ONCE
def test_pictures_that_the_store_has_lost(exported: Path, house: House, other: House) -> None:
    house.store.delete(hashlib.sha256(FOX).hexdigest())
    assert house.export("ada/1", exported) == ("picture img_2",)
    other.load(exported)
    assert list(other.chat("ada/1").images) == ["img_1", "img_3"]


def test_a_damaged_turn_and_those_behind_it(exported: Path, house: House, other: House) -> None:
    with house.database.writing() as connection:
        second = connection.scalar(select(runs.c.id).order_by(runs.c.started_at).offset(1).limit(1))
        connection.execute(update(messages).where(messages.c.run == second).values(checksum=1))
    (lost,) = house.export("ada/1", exported)
    assert lost.startswith("turn 2: message 0 is damaged")
    other.load(exported)
    assert len(other.chat("ada/1").messages) == 2


class Failing(MemoryImageStore):
    """A store whose pictures break off."""

    def __init__(self, inner: MemoryImageStore) -> None:
        super().__init__()
        self.inner, self.count = inner, 0

    def open(self, sha256: str) -> BinaryIO:
        self.count += 1
        if self.count > 4:
            raise OSError("no connection")
        return self.inner.open(sha256)


def test_a_file_is_written_whole_or_not_at_all(exported: Path, house: House) -> None:
    before = exported.read_bytes()
    with pytest.raises(StoreError, match="no connection"):
        archive.export(house.database, Failing(house.store), "ada/1", exported)
    assert exported.read_bytes() == before
    assert list(exported.parent.glob(".*")) == []
    for path in (exported.parent, exported.parent / "gone" / "a.zip"):
        with pytest.raises(UsageError, match=r"Sessions.export\(.*accepted"):
            house.export("ada/1", path)
    names: list[Any] = ["gone", "", "a\0b", 7]
    for name in names:
        with pytest.raises(UsageError, match=r"Sessions.export\(.*accepted"):
            house.export(name, exported)


def _drop(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        del files[next(each for each in files if each.startswith(name))]

    return change


def _put(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        files[next((each for each in files if each.startswith(name)), name)] = data

    return change


EDITS = [
    (_put(JSON, b"{}"), r"conversation.json was changed"),
    (_put("images/", BLUE[:-1]), r"images/\w+.png was changed"),
    (_put("images/", b"x" * 200), r"images/\w+.png was changed"),
    (_put("readme.txt", b"hello"), r"'readme.txt' was added"),
    (_put("../../etc/passwd", b"root"), r"'../../etc/passwd' was added"),
    (_put("/etc/passwd", b"root"), r"'/etc/passwd' was added"),
    (_put(f"images/{'0' * 64}.png", BLUE), r"images/0+.png was added"),
    (_put(f"images/{'0' * 64}.png/../a", BLUE), r"'images/0+.png/../a' was added"),
    (_drop("images/"), r"images/\w+.png is missing"),
    (_drop(JSON), "it has no conversation.json"),
    (_drop(MANIFEST), "it has no manifest.json"),
    (_put(MANIFEST, b"[1]"), "manifest.json was changed"),
    (_put(MANIFEST, b"{"), "manifest.json was changed"),
    (_put(MANIFEST, b"[" * 100_000), "manifest.json was changed"),
    (
        _put(MANIFEST, b'{"format": "agentkit conversation", "version": 2}'),
        "it has version 2, and this agentkit reads 1",
    ),
]


@ONCE
def test_an_edited_file_is_refused_by_name(exported: Path, other: House) -> None:
    for change, reason in EDITS:
        with pytest.raises(UsageError, match=rf"Sessions.load\(.*accepted is .*: {reason}"):
            other.load(edited(exported, change))
    _nothing_is_there(other)


def _nothing_is_there(house: House) -> None:
    with house.database.reading() as connection:
        assert listed(connection) == []
        assert connection.scalars(select(stored_pictures.c.sha256)).all() == []
    assert house.store.size() == 0


def _set(*path: Any, value: Any) -> Callable[[Any], None]:
    def change(found: Any) -> None:
        for name in path[:-1]:
            found = found[name]
        found[path[-1]] = value

    return change


BAD = [
    _set("runs", value=None),
    _set("runs", 0, "run", "messages", value=[]),
    _set("runs", 0, "run", "messages", 0, "role", value="system"),
    _set("runs", 0, "run", "spent", 0, "cost_usd", value=-5),
    _set("runs", 0, "run", "version", value=99),
    _set("runs", 0, "turn", value="x"),
    _set("api", value="telepathy"),
    _set("model", value="two words"),
    _set("handles", value=-1),
    _set("handles", value=1 << 40),
    _set("created_at", value=-1),
    _set("created_at", value=1e300),
    _set("pictures", 0, "name", value="../img"),
    _set("pictures", 1, "name", value="img_1"),
    _set("pictures", 0, "cost_usd", value="much"),
    _set("pictures", value={}),
]


@ONCE
def test_what_is_no_conversation_is_refused(exported: Path, other: House) -> None:
    for change in BAD:
        with pytest.raises(UsageError, match=r"Sessions.load\(.*accepted"):
            other.load(with_json(exported, change))
    for data in (b"", b"[]", b"\xff\xfe", b'{"a":' * 100_000, b'{"id": NaN}'):
        with pytest.raises(UsageError, match=r"conversation.json is not as agentkit writes it"):
            other.load(edited(exported, _put(JSON, data), signed=True))
    _nothing_is_there(other)


def test_names_and_words_of_any_kind_do_no_harm(exported: Path, house: House, other: House) -> None:
    def change(found: Any) -> None:
        found["id"], found["title"], found["agent"] = "../up", "a\0b\x1b[31m\n" * 500, "x\0y"
        for number, each in enumerate(found["runs"]):
            each["turn"] = 7 if number == 0 else each["turn"] and 1 << 62
            each["run"]["id"], each["run"]["status"] = "../run", "running"
            each["run"]["arrived"] = ["img_1", "nothing", "\0"]

    path = with_json(exported, change)
    for each in (house, other):
        assert each.load(path) == "../up"
        with each.database.reading() as connection:
            chat = listed(connection)[0]
        assert (chat.title[:10], chat.agent, chat.turns) == ("a b [31m a", "x y", 2)
    with other.database.reading() as connection:
        states = set(connection.scalars(select(runs.c.status)))
    assert states == {"interrupted"}
    bad = with_json(exported, _set("id", value="a\0b"))
    with pytest.raises(UsageError, match=r"Sessions.load\(new_id=.*accepted"):
        other.load(bad)
    assert other.load(bad, "fine") == "fine"


@ONCE
def test_a_picture_that_is_none_is_refused(exported: Path, other: House) -> None:
    page = b"<html><script>alert(1)</script></html>"
    name = f"images/{hashlib.sha256(page).hexdigest()}.png"
    with pytest.raises(UsageError, match=r"images/\w+.png is no picture"):
        other.load(edited(exported, _put(name, page), signed=True))
    wrong = _put(f"images/{'0' * 64}.png", BLUE)
    with pytest.raises(UsageError, match=r"images/0+.png is another picture"):
        other.load(edited(exported, wrong, signed=True))
    _nothing_is_there(other)


@ONCE
def test_a_broken_file_is_refused(exported: Path, other: House) -> None:
    seed = 20_261_130
    print("seed", seed)
    random, data = Random(seed), exported.read_bytes()
    path = exported.with_name("broken.zip")
    loaded = 0
    for _ in range(150):
        broken = bytearray(data)
        if random.random() < 0.3:
            del broken[random.randrange(len(broken)) :]
        else:
            for _ in range(random.choice([1, 1, 4, 50])):
                broken[random.randrange(len(broken))] = random.randrange(256)
        path.write_bytes(broken)
        try:
            other.load(path, f"chat-{loaded}")
            loaded += 1
        except UsageError as error:
            assert "Sessions.load(" in str(error)
    for number in range(loaded):  # a change in a date, say, harms nobody
        assert len(other.chat(f"chat-{number}").messages) == 6


@pytest.mark.parametrize("way", [Way("chat", stream=False)], indirect=True, ids=str)
def test_what_is_no_archive(other: House, tmp_path: Path) -> None:
    (tmp_path / "empty.zip").touch()
    (tmp_path / "text.zip").write_text("hello")
    with zipfile.ZipFile(tmp_path / "zip.zip", "w") as file:
        file.writestr("a", "b")
    for name in ("empty.zip", "text.zip", "zip.zip", "gone.zip", "."):
        with pytest.raises(UsageError, match=r"Sessions.load\(.*accepted"):
            other.load(tmp_path / name)


@pytest.mark.parametrize("way", [Way("chat", stream=False)], indirect=True, ids=str)
def test_a_huge_file_is_not_read(other: House, tmp_path: Path) -> None:
    path = tmp_path / "huge.zip"
    with path.open("wb") as file:
        file.truncate(10 << 30)  # it takes no room on the disk
    with pytest.raises(UsageError, match=f"at most {MOST_BYTES} are read"):
        other.load(path)
    with path.open("wb") as file:
        file.truncate(1 << 30)
        file.seek(0, 2)  # a list of contents of 1 GB
        file.write(
            b"PK\5\6" + b"\0" * 4 + b"\1\0\1\0" + (1 << 30).to_bytes(4, "little") + b"\0" * 6
        )
    with pytest.raises(UsageError, match="list of contents is too long"):
        other.load(path)


@ONCE
def test_a_bomb_is_not_unpacked(exported: Path, other: House) -> None:
    path = exported.with_name("bomb.zip")
    zeros = b"\0" * (1 << 20)
    for name, count, reason in (
        (JSON, 257, "conversation.json is too large"),
        (MANIFEST, 9, "manifest.json is too large"),
    ):
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
            file.open(name, "w") as target,
        ):
            for _ in range(count):
                target.write(zeros)
        assert path.stat().st_size < 1 << 20
        with pytest.raises(UsageError, match=reason):
            other.load(path)
    with zipfile.ZipFile(path, "w") as file:
        for number in range(20_001):
            file.writestr(f"images/{number:064x}.png", b"")
    with pytest.raises(UsageError, match="it has 20001 files"):
        other.load(path)
    # One that says it is small, and is not.
    small = edited(exported, lambda _: None)
    data = bytearray(small.read_bytes())
    for mark, at in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        found = data.find(mark)
        data[found + at : found + at + 4] = (10).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(UsageError, match="was changed"):
        other.load(path)


@ONCE
def test_ids_that_are_refused(exported: Path, other: House) -> None:
    for name in ("", "a\0b", "x" * 300, "\ud800", 7):
        with pytest.raises(UsageError, match=r"Sessions.load\(new_id=.*accepted"):
            other.load(exported, name)
        with pytest.raises(UsageError, match=r"Sessions.load\(user=.*accepted"):
            other.load(exported, user=name)
    _nothing_is_there(other)


@ONCE
def test_a_store_that_fails_leaves_no_conversation(exported: Path, other: House) -> None:
    class Full(MemoryImageStore):
        def create(self) -> Any:
            raise OSError("the disk is full")

    with pytest.raises(StoreError, match="disk is full"):
        archive.load(other.database, Full(), exported, now=NOW)
    with other.database.reading() as connection:
        assert connection.scalars(select(conversations.c.id)).all() == []
        # What came before is swept in a day.
        assert len(connection.scalars(select(stored_pictures.c.sha256)).all()) == 3
    assert other.load(exported) == "ada/1"
