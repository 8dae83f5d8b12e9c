"""The agent that a command asks: one of the user's own, or one that its options describe."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from agentkit._check import check_model
from agentkit.cli.options import DEFAULT_MODEL, settings_of
from agentkit.demo.modules import module_from_file
from agentkit.errors import AgentkitError, UsageError

if TYPE_CHECKING:
    from agentkit.agent import Agent
    from agentkit.cli.connection import Address
    from agentkit.cli.options import OneApi
    from agentkit.openrouter.client import OpenRouter
    from agentkit.values import Api

_DRAWS = "openrouter:image_generation"


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What the options of a command say of its agent."""

    name: str | None = None
    """`-A MODULE:NAME`."""
    model: str | None = None
    system: str | None = None
    tools: Sequence[str] = ()
    settings: Sequence[str] = ()
    given_api: OneApi | None = None
    draw: bool | None = None
    """Whether to offer the server tool that draws; None: if the model needs it."""

    @property
    def api(self) -> Api | None:
        """Through which API to ask."""
        return None if self.given_api is None else self.given_api.value

    def check(self) -> None:
        """Raise `UsageError` for options that say the same as `-A`, or that cannot be right."""
        settings_of(self.settings)
        if self.name is None:
            return
        given = {
            "-s": self.system is not None,
            "-T": bool(self.tools),
            "-o": bool(self.settings),
            "--draw": self.draw is not None,
        }
        wrong = [name for name, is_given in given.items() if is_given]
        if wrong:
            raise UsageError(f"{', '.join(wrong)} with -A: the agent says that itself")

    def words(self) -> list[str]:
        """These options as they are written in a command."""
        words: list[str] = []
        for name, value in (("-A", self.name), ("-m", self.model), ("-s", self.system)):
            words += [] if value is None else [name, value]
        for name, values in (("-T", self.tools), ("-o", self.settings)):
            words += [word for value in values for word in (name, value)]
        words += [] if self.api is None else ["--api", self.api]
        return words + ([] if self.draw is None else ["--draw" if self.draw else "--no-draw"])


async def agent_for(options: AgentOptions, address: Address, app_name: str) -> Agent[Any]:
    """The agent. With `-A`, its own client is used, unless it has none. Raises `UsageError` that
    says what is wrong with an option.
    """
    options.check()
    if options.name is not None:
        agent = load_agent(options.name)
        if address.base_url is not None and agent.client.base_url != address.base_url:
            raise UsageError(
                f"--offline with -A {options.name}: the agent has a client of its own, "
                f"which asks {agent.client.base_url}"
            )
        if options.model is not None:
            agent.model = check_model("-m {!r}", options.model)
        agent.api = options.api or agent.api
        return agent
    return await _described(options, address.client(app_name))


async def _described(options: AgentOptions, client: OpenRouter) -> Agent[Any]:
    from agentkit.agent import Agent
    from agentkit.demo.tools import named_tools
    from agentkit.images.stores import default_store

    model = check_model("Agent(model={!r})", options.model or DEFAULT_MODEL)
    store, names = default_store(), list(options.tools)
    toolbox, settings = named_tools(names, Path.cwd()), settings_of(options.settings)
    tools: list[object] = [*toolbox.tools(1, client, store)]
    wanted = options.draw if options.draw is not None else await _needs_tool(client, model)
    if wanted and _DRAWS not in names:
        tools += named_tools([_DRAWS], Path.cwd()).tools(1, client, store)
    return Agent(
        model,
        instructions=options.system or "",
        tools=tools,
        api=options.api or "chat",
        settings=settings,
        client=client,
        store=store,
    )


async def _needs_tool(client: OpenRouter, model: str) -> bool:
    """Whether the model draws only with a tool, and can call one, as far as the catalogue knows."""
    from agentkit.openrouter.catalogue import Catalogue

    if not client.service.lists_abilities:
        return True
    known = await Catalogue(client).chat_model(model)
    return known is None or (known.calls_tools and not known.draws)


async def too_small(budget_usd: float, agent: Agent[Any], words: str) -> str | None:
    """Why no turn with these words fits into a budget, with the least that would; None if one
    does.
    """
    from agentkit.loop.forecast import first_price
    from agentkit.show.plain import dollars

    price = await first_price(agent, words)
    if price is None or price <= budget_usd:
        return None
    least = ceil(price * 10_000) / 10_000
    return (
        f"--budget {budget_usd:g}: no turn fits; the first request may cost "
        f"{dollars(price)} at worst, so at least --budget {least:.4f} is needed"
    )


def load_agent(reference: str) -> Agent[Any]:
    """The agent that `MODULE:NAME` or `FILE.py:NAME` names, or that a function of this name makes.
    Raises `UsageError` that says what is wrong, whatever the module raises.
    """
    from agentkit.agent import Agent

    source, name = _parts(reference)
    module = _imported(reference, source)
    found: object = getattr(module, name, None)
    if callable(found) and not isinstance(found, Agent | type):
        try:
            found = found()
        except Exception as error:
            raise _broken(reference, f"{name}() raised", error) from error
    if isinstance(found, Agent):
        return cast("Agent[Any]", found)
    there = [each for each, value in vars(module).items() if isinstance(value, Agent)]
    raise UsageError(
        f"-A {reference}: {source} has no agent {name!r}; it has: {', '.join(there) or 'none'}"
    )


def _parts(reference: str) -> tuple[str, str]:
    """The source and the name, which is `agent` where none is given."""
    source, _, name = reference.rpartition(":")
    if not source or (len(source) == 1 and name[:1] in {"/", "\\"}):  # C:\\agents.py
        source, name = reference, "agent"
    if not source or not name.isidentifier():
        raise UsageError(f"-A {reference}: accepted is package.module:name, or file.py:name")
    return source, name


def _imported(reference: str, source: str) -> ModuleType:
    path = Path(source).expanduser()
    is_file = source.endswith(".py")
    # What stands beside it can be imported, as when Python runs it.
    sys.path.insert(0, str(path.absolute().parent if is_file else Path.cwd()))
    try:
        if is_file:
            return module_from_file(path, registered=True)
        return importlib.import_module(source)
    except (Exception, SystemExit) as error:  # it is the user's code: it can raise anything
        raise _broken(reference, f"{source} cannot be imported:", error) from error


def _broken(reference: str, what: str, error: BaseException) -> UsageError:
    if isinstance(error, AgentkitError):
        return UsageError(f"-A {reference}: {what} {error}")
    words = f"{type(error).__name__}: {error}".removesuffix(": ")
    return UsageError(f"-A {reference}: {what} {words} (--debug shows where)")
