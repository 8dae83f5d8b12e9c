"""Whose a picture is: a digest finds it only for those who have a conversation with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from agentkit import Image
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.sessions import Sessions, gallery
from agentkit.sessions.database import Database
from agentkit.sessions.tables import pictures, stored_pictures
from tests.unit.sessions.past import Past, picture_of


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


def found(database: Database, what: str, user: str | None) -> str | None:
    """The handle under which it is found."""
    with database.reading() as connection:
        image = gallery.find(connection, picture_of(what), user, MemoryImageStore(), Image)
    assert image is None or image.sha256 == picture_of(what)
    return None if image is None else image.name


def write_whole(database: Database) -> None:
    """Give each picture the fields that the tests of other things leave out."""
    with database.writing() as connection:
        for row in connection.execute(select(pictures)).all():
            image = Image(row.sha256, "image/png", 3, name=row.name)
            data = gallery.rows.picture_data(image)
            mine = (pictures.c.conversation == row.conversation, pictures.c.name == row.name)
            connection.execute(update(pictures).where(*mine).values(data=data))


def test_a_picture_is_found_by_those_who_have_it(database: Database) -> None:
    past = Past(database)
    for user, what in (("ada", "fox"), ("bob", "boat"), (None, "hat")):
        past.chat(f"of {user}", user=user)
        past.turn(f"of {user}", draws=["first", what])
    write_whole(database)
    assert found(database, "fox", "ada") == found(database, "fox", None) == "img_2"
    assert found(database, "fox", "bob") is None
    assert found(database, "boat", "bob") == "img_2"
    assert found(database, "hat", "ada") is None, "of nobody"
    assert found(database, "first", "ada") == found(database, "first", "bob") == "img_1"
    assert found(database, "nothing", None) is None


def test_a_row_that_is_damaged_is_passed_over(database: Database) -> None:
    past = Past(database)
    for name in ("one", "two"):
        past.chat(name, user="ada")
        past.turn(name, draws=["fox"])
    write_whole(database)
    with database.writing() as connection:
        mine = pictures.c.conversation == "one"
        connection.execute(update(pictures).where(mine).values(data="{"))
    assert found(database, "fox", "ada") == "img_1"
    with database.writing() as connection:
        connection.execute(update(pictures).values(data="{"))
    assert found(database, "fox", "ada") is None


async def test_sessions(database_url: str, tmp_path: Path) -> None:
    store = MemoryImageStore()
    draft = store.create()
    draft.write(b"a picture")
    sha256 = draft.keep()
    async with Sessions(database_url, store=store) as sessions:
        assert await sessions.find_picture(sha256) is None
        for wrong in ("x", sha256.upper(), f"{sha256}\n"):
            with pytest.raises(UsageError, match="64 lowercase hex digits"):
                await sessions.find_picture(wrong)
        with pytest.raises(UsageError, match="find_picture"):
            await sessions.find_picture(sha256, user="")
        await sessions.note_picture(Image(sha256, "image/png", 9))
        assert await sessions.sweep() == 0, "somebody may send it today"
        database = Database(database_url)
        with database.writing() as connection:
            day_ago = stored_pictures.c.kept_at - 25 * 3600
            connection.execute(update(stored_pictures).values(kept_at=day_ago))
        database.close()
        assert await sessions.sweep() == 1
        assert store.size() == 0
