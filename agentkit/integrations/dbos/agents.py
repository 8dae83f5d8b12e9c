"""The agents of durable runs, by their names, and the one place of their pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agentkit._check import check_kind, refused
from agentkit.agent import Agent
from agentkit.errors import UsageError
from agentkit.images.store import FileImageStore, ImageStore, checked_store
from agentkit.images.stores import default_store
from agentkit.sessions.address import Address
from agentkit.sessions.names import check_name


def agents_by_name(agents: Iterable[Agent[Any]]) -> dict[str, Agent[Any]]:
    """The agents by their names. Raises `UsageError` for two of one name, for one with a ledger of
    its own, and for what is no agent.
    """
    found: dict[str, Agent[Any]] = {}
    for agent in agents:
        if not isinstance(agent, Agent):
            raise refused("Durable(agents=[{!r}])", agent, "are Agents")
        if agent.name in found:
            raise UsageError(
                f"Durable(agents=[…]): two agents are named {agent.name!r}; each needs a name of "
                "its own: Agent(…, name='painter')"
            )
        if agent.ledger is not None:
            raise UsageError(
                f"Durable(agents=[…]): the agent {agent.name!r} has a ledger of its own; paid "
                "requests of durable runs are written to the database of the runs"
            )
        found[check_name("Agent(name={!r})", agent.name)] = agent
    return found


def store_of(
    agents: Mapping[str, Agent[Any]],
    store: ImageStore | None,
    address: Address,
    *,
    shared_folder: bool,
) -> ImageStore:
    """Where the pictures of all these agents are. Raises `UsageError` where that is not one place,
    or one that workers on other machines cannot reach.
    """
    check_kind("Durable(shared_folder={!r})", shared_folder, bool, "True or False")
    found = [each.store for each in agents.values()]
    chosen = found[0] if store is None and found else store
    chosen = default_store() if chosen is None else checked_store("Durable", chosen)
    for agent in agents.values():
        if agent.store != chosen:
            raise UsageError(
                f"the agent {agent.name!r} keeps its pictures in {agent.store!r}, and the runs "
                f"in {chosen!r}: give all of them the same store"
            )
    if not address.is_sqlite and isinstance(chosen, FileImageStore) and not shared_folder:
        raise UsageError(
            f"Durable(…): the pictures are in {chosen!r}, a folder of this machine, and the "
            "runs in Postgres, for workers on many: use a store that all of them reach, or say "
            "shared_folder=True if this folder is one"
        )
    return chosen
