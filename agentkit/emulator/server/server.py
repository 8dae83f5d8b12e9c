"""The server: its own thread, its own event loop, a free port on loopback."""

import secrets
import socket
import threading
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self, TypeVar, cast

import anyio.to_thread
import uvicorn

from agentkit.emulator.catalogue import MODELS, Catalogue
from agentkit.emulator.faults.active_faults import Faults
from agentkit.emulator.faults.values import Fault
from agentkit.emulator.files import Parse
from agentkit.emulator.ids import Ids
from agentkit.emulator.listed_model import Model
from agentkit.emulator.painter.studio import Studio
from agentkit.emulator.script import (
    PLACES,
    Place,
    Playable,
    Rule,
    Scripted,
    check_seconds,
    reply_of,
)
from agentkit.emulator.server.connection import protocol_with
from agentkit.emulator.server.ledger import Charge
from agentkit.emulator.server.loopback import is_loopback
from agentkit.emulator.server.posts import Post, repeats
from agentkit.emulator.server.routes import application
from agentkit.emulator.server.state import RecordedRequest, State
from agentkit.emulator.server.uvicorn_server import Server

API_KEY = "sk-or-v1-emulator"
T = TypeVar("T")


class Emulator:
    """An OpenRouter on loopback whose model follows rules. It is not a language model.

        with Emulator() as emulator:
            client = OpenRouter(base_url=emulator.base_url, api_key=emulator.api_key)

    - `image_places` are the places (names of `Place`) where pictures that the rules draw appear; by
      default, where each API puts them.
    - `url_ttl` is for how many seconds a temporary image URL lives, `url_reads` how often it can be
      read; by default as often as one likes.
    - `chunk_delay` is the pause in seconds between two pieces of a stream.
    - `seed` makes ids and pictures repeatable.
    - `models` is the catalogue. `unavailable` are ids in it that no provider serves at the moment.
    - `any_model` says whether a model that is not in the catalogue answers too, instead of a 400.
    - `rules` says whether the rules answer when no reply of the script is left. If it is false,
      such a request is refused. A function is a model of your own, see `Rule`: it is asked first,
      on the emulator's thread, and where it raises, the request gets a 400 that tells why.
      `emulator.rules` can be changed at any time.
    - `api_key` is the only key that is accepted; by default any is.
    - `host` and `port` say where it listens; port 0 is a free one. Where others than this machine
      can reach it, each request needs `emulator.api_key`, which is random unless it was given.
    - `faults` are the faults that strike, see `Fault`.
    """

    def __init__(
        self,
        *,
        image_places: Sequence[Place] = (),
        url_ttl: float = 3600.0,
        url_reads: int | None = None,
        chunk_delay: float = 0.0,
        seed: int = 0,
        models: Sequence[Model] | None = None,
        unavailable: Sequence[str] = (),
        any_model: bool = False,
        rules: bool | Rule = True,
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | Sequence[Fault] = (),
    ) -> None:
        _check_address(host, port, api_key)
        check_seconds("url_ttl", url_ttl)
        check_seconds("chunk_delay", chunk_delay)
        _check_places(image_places)
        is_guarded = not is_loopback(host)
        if is_guarded and not api_key:
            api_key = f"{API_KEY}-{secrets.token_hex(16)}"
        self.api_key = api_key or API_KEY
        self.faults = (
            faults
            if isinstance(faults, Faults)
            else Faults(_listed("faults", faults, Fault), seed=seed)
        )
        self._host = host
        self._port = port
        self._studio = Studio(ttl=url_ttl, seed=seed, reads=url_reads)
        self._state = State(
            catalogue=Catalogue(
                MODELS if models is None else _listed("models", models, Model),
                frozenset(_listed("unavailable", unavailable, str)),
                any_model,
            ),
            studio=self._studio,
            ids=Ids(seed),
            api_key=api_key,
            is_guarded=is_guarded,
            places=tuple(image_places),
            chunk_delay=chunk_delay,
            faults=self.faults,
            rules=_rules(rules),
        )
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port, such as `http://127.0.0.1:8080`."""
        if not self._studio.origin:
            raise RuntimeError(
                "the emulator is not running: use it in a `with` block, or call start() first"
            )
        return self._studio.origin

    @property
    def base_url(self) -> str:
        """The address for a client: `origin` and `/api/v1`."""
        return f"{self.origin}/api/v1"

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request that arrived, in order."""
        return self._state.requests

    @property
    def told(self) -> list[str]:
        """What the model was told in each request that was accepted: instructions, history, tool
        results. It is the same text for both chat APIs, for a person to read:

            system: You paint.
            user: What shall I wear in Oslo?
            assistant calls weather({"city": "Oslo"})
            tool: Light snow in Oslo
        """
        return self._state.told

    @property
    def parses(self) -> list[Parse]:
        """Every file that was read for a request, with what that cost on top of the tokens."""
        return self._state.parses

    @property
    def ledger(self) -> list[Charge]:
        """Every charge, in order."""
        self._catch_up()
        return self._state.ledger.charges

    @property
    def posts(self) -> list[Post]:
        """Every request that costs money, in order: its bill, and what was sent of its reply."""
        self._catch_up()
        return self._state.ledger.posts.all()

    @property
    def repeats(self) -> list[tuple[Post, Post]]:
        """Pairs of requests that cost money and have the same body: the earlier, the later."""
        return repeats(self.posts)

    def _catch_up(self) -> None:
        """Wait until the server's thread has recorded what it has done so far."""
        if self._server is not None:
            self._server.catch_up()

    def play(self, *replies: Playable | Sequence[Playable]) -> None:
        """Script the next replies, one for each accepted POST. Then the rules answer again.

            emulator.play(CallTool("weather", {"city": "Oslo"}), "Take a coat.")

        Each is a `Reply` or a `RawReply`, or what it consists of, if that is one thing: words, an
        item such as `CallTool`, or a `Failure`. A list is as many replies. Raises `TypeError` for
        anything else, before anything is scripted.
        """
        found: list[Scripted] = []
        for value in replies:
            if isinstance(value, Sequence) and not isinstance(value, str):
                found += map(reply_of, value)
            else:
                found.append(reply_of(value))
        self._state.play(found)

    @property
    def unplayed(self) -> list[Scripted]:
        """The replies of the script that no request has taken yet."""
        return list(self._state.script)

    @property
    def unscripted(self) -> list[str]:
        """Where `rules` is false: what was asked when no reply was left, a line for each
        request.
        """
        return self._state.unscripted

    @property
    def rules(self) -> bool | Rule:
        """Whether the rules answer when no reply of the script is left, or who does before them.
        Raises `TypeError` for what is neither true, false nor a function.
        """
        return self._state.rules

    @rules.setter
    def rules(self, value: bool | Rule) -> None:
        self._state.rules = _rules(value)

    def lend(self, data: bytes, media_type: str = "image/png") -> str:
        """A temporary URL at which these bytes are served, like those of the replies: it lives
        `url_ttl` seconds, and `expire_urls` ends it.
        """
        return self._studio.lend(data, media_type, media_type.partition("/")[2])

    def expire_urls(self) -> None:
        """Expire every temporary image URL that was given out so far."""
        self._studio.expire()

    def age_prompts(self, seconds: float) -> None:
        """Let the prompt caches of the providers grow older by so many seconds."""
        self._state.prompt_cache.ahead += seconds

    def start(self) -> Self:
        """Start the server in a thread of its own, as a `with` block does."""
        if self._server is not None:
            raise RuntimeError("the emulator is already running")
        listener = _listen(self._host, self._port)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._studio.origin = f"http://{host}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            application(self._state),
            lifespan="off",
            ws="none",
            http=protocol_with(self.faults),
            loop="asyncio",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_keep_alive=30,
        )
        self._server = Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="openrouter-emulator", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection and end the thread. Stopping twice is no error."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        server.stop()
        thread.join(timeout=10)
        self._server = self._thread = None
        self._studio.origin = ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await anyio.to_thread.run_sync(self.stop)


def _check_address(host: object, port: object, api_key: object) -> None:
    if not isinstance(host, str) or not host:
        raise TypeError(f"host: {host!r} was given; an address such as '127.0.0.1' is accepted")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"port: {port!r} was given; a whole number from 0 to 65535 is accepted")
    if api_key is not None and not isinstance(api_key, str):
        raise TypeError("api_key: accepted are a string, and None for any key")


def _check_places(given: Sequence[Place]) -> None:
    for place in given:
        if place not in PLACES:
            raise ValueError(
                f"image_places: {place!r} is no place for an image; accepted: {', '.join(PLACES)}"
            )


def _listed(name: str, given: object, kind: type[T]) -> tuple[T, ...]:
    """The values of a list. A string would be taken for a list of its letters."""
    accepted = f"a list of {kind.__name__} is accepted"
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"{name}: {given!r:.100} was given; {accepted}")
    found = tuple(cast("Iterable[object]", given))
    for each in found:
        if not isinstance(each, kind):
            raise TypeError(f"{name}: {each!r:.100} is in it; {accepted}")
    return cast("tuple[T, ...]", found)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. It names its protocol, since asyncio sets TCP_NODELAY only on such:
    without it, each answer on a kept connection waits 40 ms for an acknowledgement."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(256)
    except OSError:
        listener.close()
        raise
    return listener


def _rules(value: object) -> bool | Rule:
    if not isinstance(value, bool) and not callable(value):
        raise TypeError(f"rules: {value!r} was given; accepted are True, False, and a function")
    return cast("bool | Rule", value)
