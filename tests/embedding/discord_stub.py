"""Discord on loopback, as far as a bot that answers messages needs it: the HTTP API and the
gateway, written from Discord's documentation. It refuses what Discord refuses.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import BodyPartReader, WSMsgType, web

TOKEN = "a-discord-token"
BOT, OTHER_BOT = 1_000, 1_001
GUILD = 2_000
EPOCH = 1_420_070_400_000
"""Of Discord's ids, in milliseconds of Unix time."""
MESSAGE_CONTENT = 1 << 15
"""The intent to read what does not mention the bot."""
Json = dict[str, Any]


@dataclass
class Posted:
    """A message, as Discord keeps it."""

    id: int
    channel: int
    author: int
    content: str
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    guild: int | None = None
    mentions: tuple[int, ...] = ()
    flags: int = 0
    replies_to: int | None = None
    nonce: str | None = None
    asked: list[Json] = field(default_factory=list[Any])
    """The fields of the requests that made it, and changed it."""
    edits: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """When the content was changed, by `time.monotonic`, and into what."""


class Refusal(Exception):
    """An error of the API: a status, a code of Discord's and its words."""

    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.body = status, {"code": code, "message": message, **more}


def too_long(field_name: str, most: int) -> Refusal:
    what = {"code": "BASE_TYPE_MAX_LENGTH", "message": f"Must be {most} or fewer in length."}
    return Refusal(400, 50035, "Invalid Form Body", errors={field_name: {"_errors": [what]}})


def units(text: str) -> int:
    """The length in UTF-16."""
    return len(text.encode("utf-16-le")) // 2


class Discord:
    """A Discord with one bot, on the running event loop.

    async with Discord() as discord:
        await discord.say(7, "Draw a fox")
    """

    def __init__(self, *, upload_limit: int = 10 << 20) -> None:
        self.upload_limit = upload_limit
        self.messages: dict[int, Posted] = {}
        self.connected: list[web.WebSocketResponse] = []
        self.intents = 0
        self.identified = 0
        """How often a bot has said who it is."""
        self.typing: list[int] = []
        """The channels in which the bot was seen to type."""
        self.refused: list[tuple[str, int]] = []
        """Method and status of each request that was refused."""
        self.busy: list[str] = []
        """Methods whose next request on a message is answered by 429, once for each entry."""
        self.gate = asyncio.Event()
        """While it is not set, the bot's messages wait."""
        self.gate.set()
        self.origin = ""
        self._sequence = 0
        self._runner: web.AppRunner | None = None

    @property
    def api(self) -> str:
        """The base address of the HTTP API."""
        return f"{self.origin}/api/v10"

    @property
    def said(self) -> list[Posted]:
        """What the bot has posted, in order."""
        return [each for each in self.messages.values() if each.author == BOT]

    def said_in(self, channel: int) -> list[Posted]:
        """What the bot has posted in a channel, in order."""
        return [each for each in self.said if each.channel == channel]

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20, middlewares=[self._guarded])
        app.add_routes(
            [
                web.get("/gateway", self._gateway),
                web.get("/files/{message}/{name}", self._file),
                web.get("/api/v10/gateway/bot", self._gateway_address),
                web.get("/api/v10/users/@me", self._me),
                web.get("/api/v10/oauth2/applications/@me", self._application),
                web.get("/api/v10/applications/@me", self._application),
                web.post("/api/v10/channels/{channel}/typing", self._types),
                web.post("/api/v10/channels/{channel}/messages", self._post),
                web.get("/api/v10/channels/{channel}/messages/{message}", self._get),
                web.patch("/api/v10/channels/{channel}/messages/{message}", self._patch),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        for socket in self.connected:
            await socket.close()
        await self._runner.cleanup()

    async def say(
        self,
        author: int,
        content: str,
        *,
        channel: int | None = None,
        files: dict[str, bytes] | None = None,
        guild: bool = False,
        mentions: Sequence[int] = (),
    ) -> Posted:
        """A message of a person: a direct one to the bot, or one in a channel of a server."""
        posted = Posted(
            self._id(),
            10 * author if channel is None else channel,
            author,
            content,
            files or {},
            GUILD if guild else None,
            tuple(mentions),
        )
        self.messages[posted.id] = posted
        await self._tell("MESSAGE_CREATE", self._shown(posted))
        return posted

    async def _tell(self, name: str, data: Json) -> None:
        self._sequence += 1
        frame = {"op": 0, "t": name, "s": self._sequence, "d": data}
        for socket in self.connected:
            await socket.send_json(frame)

    def _id(self) -> int:
        made = (int(time.time() * 1000) - EPOCH) << 22
        return max([made, *(each + 1 for each in self.messages)])

    # The HTTP API

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Callable[..., Any]) -> Any:
        """Errors as Discord tells them; the token; a limit of the rate."""
        is_api = request.path.startswith("/api/")
        if is_api and request.headers.get("Authorization") != f"Bot {TOKEN}":
            self.refused.append((request.method, 401))
            return _json({"message": "401: Unauthorized", "code": 0}, status=401)
        if "/messages" in request.path and request.method in self.busy:
            await request.read()
            self.busy.remove(request.method)
            self.refused.append((request.method, 429))
            wait = {"message": "You are being rate limited.", "retry_after": 0.2, "global": False}
            headers = {"Retry-After": "1", "Via": "1.1 google"}
            return _json(wait, status=429, headers=headers)
        try:
            return await handler(request)
        except Refusal as refusal:
            self.refused.append((request.method, refusal.status))
            return _json(refusal.body, status=refusal.status)

    async def _me(self, _: web.Request) -> web.Response:
        return _json(_user(BOT))

    async def _application(self, _: web.Request) -> web.Response:
        return _json(
            {
                "id": str(BOT),
                "name": "bot",
                "description": "",
                "icon": None,
                "summary": "",
                "verify_key": "",
                "flags": 0,
                "owner": _user(1),
                "bot_public": True,
                "bot_require_code_grant": False,
            }
        )

    async def _gateway_address(self, _: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        url = self.origin.replace("http", "ws", 1) + "/gateway"
        return _json({"url": url, "shards": 1, "session_start_limit": limit})

    async def _types(self, request: web.Request) -> web.Response:
        self.typing.append(int(request.match_info["channel"]))
        return web.Response(status=204)

    async def _file(self, request: web.Request) -> web.Response:
        posted = self.messages[int(request.match_info["message"])]
        return web.Response(body=posted.files[request.match_info["name"]])

    async def _get(self, request: web.Request) -> web.Response:
        return _json(self._shown(self._found(request)))

    async def _post(self, request: web.Request) -> web.Response:
        fields, files = await self._read(request)
        await self.gate.wait()
        channel, nonce = int(request.match_info["channel"]), fields.get("nonce")
        if nonce is not None and len(str(nonce)) > 25:
            raise too_long("nonce", 25)
        if fields.get("enforce_nonce"):
            for each in self.said_in(channel):
                if each.nonce == nonce:
                    return _json(self._shown(each))
        content = fields.get("content") or ""
        if not content.strip() and not files:
            raise Refusal(400, 50006, "Cannot send an empty message")
        reference = fields.get("message_reference") or {}
        replied = int(reference["message_id"]) if reference else None
        posted = Posted(self._id(), channel, BOT, content.strip(), files, replies_to=replied)
        posted.nonce, posted.flags = nonce, fields.get("flags", 0)
        posted.asked.append(fields)
        self.messages[posted.id] = posted
        return _json(self._shown(posted))

    async def _patch(self, request: web.Request) -> web.Response:
        fields, _ = await self._read(request)
        posted = self._found(request)
        if posted.author != BOT:
            raise Refusal(403, 50005, "Cannot edit a message authored by another user")
        if not (fields["content"] or "").strip() and not posted.files:
            raise Refusal(400, 50006, "Cannot send an empty message")
        posted.content = fields["content"].strip()
        posted.asked.append(fields)
        posted.flags = fields.get("flags", posted.flags)
        posted.edits.append((time.monotonic(), posted.content))
        return _json(self._shown(posted))

    async def _read(self, request: web.Request) -> tuple[Json, dict[str, bytes]]:
        """The fields and the files of a message. Raises `Refusal` for what is too large."""
        files: dict[str, bytes] = {}
        fields: Json = {}
        if request.content_type == "multipart/form-data":
            async for part in await request.multipart():
                assert isinstance(part, BodyPartReader)
                if part.name == "payload_json":
                    fields = json.loads(await part.text())
                else:
                    files[part.filename or ""] = bytes(await part.read())
        else:
            fields = await request.json()
        if sum(map(len, files.values())) > self.upload_limit:
            raise Refusal(413, 40005, "Request entity too large")
        if units(fields.get("content") or "") > 2_000:
            raise too_long("content", 2_000)
        return fields, files

    def _found(self, request: web.Request) -> Posted:
        posted = self.messages.get(int(request.match_info["message"]))
        if posted is None or posted.channel != int(request.match_info["channel"]):
            raise Refusal(404, 10008, "Unknown Message")
        return posted

    def _shown(self, posted: Posted) -> Json:
        """A message as JSON."""
        files = [
            {
                "id": str(number),
                "filename": name,
                "size": len(data),
                "url": f"{self.origin}/files/{posted.id}/{name}",
                "proxy_url": f"{self.origin}/files/{posted.id}/{name}",
            }
            for number, (name, data) in enumerate(posted.files.items())
        ]
        is_readable = posted.guild is None or BOT in posted.mentions or posted.author == BOT
        is_readable = is_readable or bool(self.intents & MESSAGE_CONTENT)
        return {
            "id": str(posted.id),
            "type": 0,
            "channel_id": str(posted.channel),
            "author": _user(posted.author),
            "content": posted.content if is_readable else "",
            "attachments": files if is_readable else [],
            "timestamp": "2026-01-01T00:00:00.000000+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [_user(each) for each in posted.mentions],
            "mention_roles": [],
            "embeds": [],
            "components": [],
            "pinned": False,
            "flags": posted.flags,
            **({"nonce": posted.nonce} if posted.nonce else {}),
            **({"guild_id": str(posted.guild)} if posted.guild else {}),
        }

    # The gateway

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "s": None, "t": None, "d": {"heartbeat_interval": 41250}})
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                break
            message = json.loads(frame.data)
            if message["op"] == 1:
                await socket.send_json({"op": 11, "s": None, "t": None, "d": None})
            elif message["op"] == 2 and message["d"]["token"] != TOKEN:
                await socket.close(code=4004, message=b"Authentication failed.")
            elif message["op"] == 2:
                await self._identify(socket, message["d"])
        if socket in self.connected:
            self.connected.remove(socket)
        return socket

    async def _identify(self, socket: web.WebSocketResponse, who: Json) -> None:
        self.intents = who["intents"]
        self._sequence += 1
        ready = {
            "v": 10,
            "shard": who["shard"],
            "user": _user(BOT),
            "guilds": [{"id": str(GUILD), "unavailable": True}],
            "session_id": "session",
            "resume_gateway_url": self.origin.replace("http", "ws", 1) + "/gateway",
            "application": {"id": str(BOT), "flags": 0},
        }
        await socket.send_json({"op": 0, "t": "READY", "s": self._sequence, "d": ready})
        self.connected.append(socket)
        self.identified += 1


def _json(data: Json, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A reply without a charset in its type: discord.py compares the whole of it."""
    body = json.dumps(data).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def _user(number: int) -> Json:
    return {
        "id": str(number),
        "username": f"user{number}",
        "global_name": None,
        "discriminator": "0",
        "avatar": None,
        "bot": number in {BOT, OTHER_BOT},
    }
