"""A chat service for several people, on FastAPI: its own login, pictures brought and drawn, orders
that wait for a yes, and a budget for each person and day.

    pip install "agentkit-openrouter[web]" fastapi uvicorn
    python examples/web_fastapi.py add ada          # asks for a password; once for each person
    OPENROUTER_API_KEY=sk-or-… python examples/web_fastapi.py

Then open http://127.0.0.1:8080. Under another name, `SITE=https://chat.example.org`, behind a proxy
that speaks HTTPS.
"""

import asyncio
import getpass
import hashlib
import hmac
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from agentkit import Agent, Budget, Image, ImageGeneration, tool, web
from agentkit.sessions import Sessions

SITE = os.environ.get("SITE", "http://127.0.0.1:8080")
A_DAY = 0.50  # USD for each person
LONGEST_FORM = 2_000  # bytes
FORM = """<!doctype html><title>Chat</title><form method="post">
<p><input name="name" placeholder="Name" autofocus> <input name="password" type="password"
placeholder="Password"> <button>Log in</button></form>"""


@tool(approve=True)
def order_print(picture: Image, copies: int = 1) -> str:
    """Order prints of a picture, on paper.

    Args:
        picture: The picture to print.
        copies: How many.
    """
    return f"{copies} of {picture.name} ordered, they arrive on Friday."


class People:
    """Who may come in, by a file of salted hashes; and who has, until the process ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logins: dict[str, str] = {}

    def add(self, name: str, password: str) -> None:
        salt = secrets.token_hex(16)
        people = self.known() | {name: [salt, self.hashed(salt, password)]}
        self.path.write_text(json.dumps(people))

    def known(self) -> dict[str, list[str]]:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def hashed(self, salt: str, password: str) -> str:
        return hashlib.scrypt(password.encode(), salt=salt.encode(), n=1 << 14, r=8, p=1).hex()

    def come_in(self, name: str, password: str) -> str | None:
        """A key for the cookie, if that is the password."""
        salt, expected = self.known().get(name, ["", ""])
        if not hmac.compare_digest(self.hashed(salt, password), expected):
            return None
        key = secrets.token_urlsafe(32)
        self.logins[key] = name
        return key

    def who(self, request: Request) -> str | None:
        """Whose request it is: what the chat asks for each. Its page leads to the login."""
        name = self.logins.get(request.cookies.get("login", ""))
        if name is None and request.url.path == "/chat/":
            raise HTTPException(303, "Log in first.", {"location": "/"})
        return name


def service(agent: Agent, sessions: Sessions, people: People, site: str = SITE) -> FastAPI:
    def budget(user: str | None) -> Budget:
        return sessions.budget(f"of {user}", A_DAY, per="day")

    chat = web.app(agent, sessions=sessions, user=people.who, hosts=[site], budget=budget)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await chat.close()  # what came of the turns that go on is kept

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/", response_class=HTMLResponse)
    def show_login() -> str:
        return FORM

    @app.post("/")
    async def log_in(request: Request) -> Response:
        if request.headers.get("origin") != site:  # a form of another site
            raise HTTPException(403)
        if int(request.headers.get("content-length", LONGEST_FORM + 1)) > LONGEST_FORM:
            raise HTTPException(413)
        form = parse_qs((await request.body()).decode(errors="replace"))
        name, password = (form.get(each, [""])[0] for each in ("name", "password"))
        key = await asyncio.to_thread(people.come_in, name, password)
        if key is None:
            return HTMLResponse(f"{FORM}<p>That is not the password.", 403)
        response = RedirectResponse("/chat/", 303)
        is_https = site.startswith("https:")
        response.set_cookie("login", key, httponly=True, samesite="lax", secure=is_https)
        return response

    app.mount("/chat", chat)
    return app


def main() -> None:
    people = People(Path("people.json"))
    if sys.argv[1:2] == ["add"]:
        return people.add(sys.argv[2], getpass.getpass(f"Password of {sys.argv[2]}: "))
    agent = Agent("openai/gpt-5.2", tools=[ImageGeneration(), order_print], name="painter")
    site = service(agent, Sessions("sqlite:///chats.db"), people)
    return uvicorn.run(site, host="127.0.0.1", port=8080, proxy_headers=False)


if __name__ == "__main__":
    main()
