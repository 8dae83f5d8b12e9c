"""The chat server below a path of other people's applications, each with its own login: Django,
Quart, Starlette. Each is a program of its own under uvicorn.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agentkit.emulator import Emulator
from tests.embedding.programs import WATCHED, serving
from tests.unit.web.talking import Talker
from tests.web_server import Served

AGENT = """
from agentkit import Agent, ImageGeneration, web
from agentkit.sessions import Sessions

agent = Agent("openai/gpt-5.2", tools=[ImageGeneration(size="64x64")])
sessions = Sessions("sqlite:///chats.db", store=agent.store)
"""
DJANGO = f"""
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="of a test",
    ROOT_URLCONF="app",
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
)
django.setup()
from django.contrib.sessions.backends.cache import SessionStore
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path
{AGENT}
def log_in(request):
    request.session["name"] = request.GET["text"]
    return HttpResponse("in")

urlpatterns = [path("login", log_in)]

def user_of(request):
    return SessionStore(request.cookies.get(settings.SESSION_COOKIE_NAME)).get("name")

site, chat = get_asgi_application(), web.app(agent, sessions=sessions, user=user_of)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await chat(scope, receive, send)
    elif scope["path"].startswith("/our/chat"):
        await chat({{**scope, "root_path": "/our/chat"}}, receive, send)
    else:
        await site(scope, receive, send)
"""
QUART = f"""
from quart import Quart, request, session
{AGENT}
site = Quart("app")
site.secret_key = "of a test"

@site.get("/login")
async def log_in():
    session["name"] = request.args["text"]
    return "in"

def user_of(request):
    read = site.session_interface.get_signing_serializer(site).loads
    cookie = request.cookies.get(site.config["SESSION_COOKIE_NAME"])
    return None if cookie is None else read(cookie).get("name")

chat = web.app(agent, sessions=sessions, user=user_of)

@site.after_serving
async def close():
    await chat.close()

async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"].startswith("/our/chat"):
        await chat({{**scope, "root_path": "/our/chat"}}, receive, send)
    else:
        await site(scope, receive, send)
"""
STARLETTE = f"""
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
{AGENT}
async def log_in(request):
    request.session["name"] = request.query_params["text"]
    return PlainTextResponse("in")

chat = web.app(agent, sessions=sessions, user=lambda request: request.session.get("name"))

@asynccontextmanager
async def lifespan(_):
    yield
    await chat.close()

app = Starlette(
    routes=[Route("/login", log_in), Mount("/our", routes=[Mount("/chat", chat)])],
    middleware=[Middleware(SessionMiddleware, secret_key="of a test")],
    lifespan=lifespan,
)
"""
UVICORN = """
import socket, sys
import uvicorn
config = uvicorn.Config("app:app", log_level="warning")
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


@pytest.mark.parametrize(
    ("needs", "code"),
    [
        pytest.param("django", DJANGO, id="django"),
        pytest.param("quart", QUART, id="quart", marks=pytest.mark.slow),
        pytest.param("starlette", STARLETTE, id="starlette", marks=pytest.mark.slow),
    ],
)
def test_below_a_path(needs: str, code: str, emulator: Emulator, tmp_path: Path) -> None:
    pytest.importorskip(needs)
    command = [sys.executable, *WATCHED, "-c", UVICORN, "{fd}"]
    with serving(command, emulator, tmp_path, app=code) as server:
        origin = f"http://127.0.0.1:{server.port}"
        ada = Talker(Served(server.port), {"origin": origin})
        assert ada.ask("GET", "/our/chat/api/chats").status == 401
        came = ada.ask("GET", "/login?text=ada")
        assert came.body == b"in"
        ada.headers["cookie"] = (came.header("set-cookie") or "").partition(";")[0]
        assert ada.get("/our/chat/api/about")["user"] == "ada"
        page = ada.ask("GET", "/our/chat/")
        assert (page.status, page.header("content-type")) == (200, "text/html; charset=utf-8")
        assert "/our/" not in page.body.decode(), "all addresses on it are relative"
        said = {"role": "user", "parts": [{"type": "text", "text": "Draw a fox"}]}
        stream = ada.open("POST", "/our/chat/api/chat", {"id": "foxes", "messages": [said]})
        chunks = list(stream.chunks())
        (file,) = [each for each in chunks if each["type"] == "file"]
        assert ada.ask("GET", f"/our/chat/{file['url']}").status == 200
        stream.leave()
        foreign = {**ada.headers, "origin": "https://evil.example"}
        assert Talker(ada.served, foreign).ask("DELETE", "/our/chat/api/chat/foxes").status == 403
        assert ada.ask("DELETE", "/our/chat/api/chat/foxes").status in {200, 204}
