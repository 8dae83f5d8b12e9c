"""The service behind `base_url`: what differs from one to another, as a table.

Nothing is asked to find out which it is: the host of OpenAI says it, and else the user.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from agentkit._check import refused
from agentkit.values import Api
from agentkit.wire.fields import OPENROUTER, STANDARD, Fields

ServiceName = Literal["openrouter", "openai", "compatible"]
ImageTool = Literal["openrouter:image_generation", "image_generation"]


@dataclass(frozen=True, slots=True)
class Service:
    """A service that speaks Chat Completions, and perhaps Responses and an Image API."""

    name: ServiceName
    label: str
    """What errors call it."""
    base_url: str | None
    """Its address; None where the user has to name one."""
    fields: Fields
    """Which fields its requests may have."""
    image_tool_in_chat: ImageTool | None = None
    """The server tool that draws in Chat Completions, by the type of its entry; None where there
    is none."""
    image_tool_in_responses: ImageTool | None = None
    """The same in Responses."""
    images_path: str = "/images/generations"
    """Where pictures are asked for."""
    edits_path: str | None = "/images/edits"
    """Where pictures are asked for that start from others, as a form with files; None where they
    go to `images_path` as references.
    """
    failed_images_are_free: bool = False
    """Whether a request to the Image API that brings no picture is surely not billed."""
    may_be_keyless: bool = False
    """Whether it may be a server that asks for no key."""
    names_apps: bool = False
    """Whether it has headers for the name and the address of an application."""
    lists_abilities: bool = False
    """Whether its catalogue says what each model can do and what it costs."""
    tells_cost: bool = False
    """Whether its replies say what they cost."""
    looks_up: bool = False
    """Whether it can be asked what became of a request (`GET /generation`)."""
    ends_responses_with_done: bool = False
    """Whether a stream of Responses ends with `[DONE]`, as one of Chat Completions does."""

    def image_tool(self, api: Api) -> ImageTool | None:
        """The type of the server tool that draws in this API; None where there is none."""
        return self.image_tool_in_chat if api == "chat" else self.image_tool_in_responses


SERVICES = MappingProxyType[str, Service](
    {
        "openrouter": Service(
            "openrouter",
            label="OpenRouter",
            base_url="https://openrouter.ai/api/v1",
            fields=OPENROUTER,
            image_tool_in_chat="openrouter:image_generation",
            image_tool_in_responses="openrouter:image_generation",
            images_path="/images",
            edits_path=None,
            failed_images_are_free=True,
            names_apps=True,
            lists_abilities=True,
            tells_cost=True,
            looks_up=True,
            ends_responses_with_done=True,
        ),
        "openai": Service(
            "openai",
            label="OpenAI",
            base_url="https://api.openai.com/v1",
            fields=Fields(
                openrouter=False,
                draws_itself=False,
                strict=True,
                max_tokens="max_completion_tokens",
            ),
            image_tool_in_responses="image_generation",
        ),
        "compatible": Service(
            "compatible",
            label="the service",
            base_url=None,
            fields=STANDARD,
            may_be_keyless=True,
        ),
    }
)
"""Every service that is known by name."""


def check_service(where: str, name: object) -> Service | None:
    """The service of this name; None for None. Raises `UsageError` for any other value."""
    if name is None:
        return None
    if not isinstance(name, str) or name not in SERVICES:
        accepted = f"are {', '.join(map(repr, SERVICES))}, or None for what the host says"
        raise refused(where, name, accepted)
    return SERVICES[name]


def service_at(base_url: str) -> Service:
    """The service whose host this is. A host that is nobody's may be a gateway of OpenRouter's."""
    return SERVICES["openai" if is_openai(base_url) else "openrouter"]


def is_openai(base_url: str) -> bool:
    """Whether this is OpenAI's host, that of a region (`eu.api.openai.com`) included."""
    host = _host(base_url)
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def is_openrouter(base_url: str) -> bool:
    """Whether this is OpenRouter's host, that of a region (`eu.openrouter.ai`) included."""
    host = _host(base_url)
    return host == "openrouter.ai" or host.endswith(".openrouter.ai")


def _host(base_url: str) -> str:
    return (urlsplit(base_url).hostname or "").rstrip(".")
