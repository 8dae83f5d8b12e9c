"""Options that several commands have, under the same letters as `llm` has them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from agentkit.errors import UsageError

if TYPE_CHECKING:
    from agentkit.settings import ModelSettings

DEFAULT_MODEL = "openai/gpt-5.2"
_PAIRED = ("-o", "--option")


class OneApi(StrEnum):
    chat = "chat"
    responses = "responses"


Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        envvar="AGENTKIT_MODEL",
        help=f"A model's name on OpenRouter. Default: {DEFAULT_MODEL}.",
    ),
]
System = Annotated[
    str | None,
    typer.Option("-s", "--system", "--instructions", help="Instructions for the model."),
]
Attach = Annotated[
    list[str] | None,
    typer.Option(
        "-a",
        "--attach",
        metavar="FILE|URL|-",
        help="A picture or a file; - reads it from the input. May be repeated.",
    ),
]
Pictures = Annotated[
    list[str] | None,
    typer.Option(
        "-a",
        "--attach",
        metavar="FILE|URL|-",
        help="A picture; - reads it from the input. May be repeated.",
    ),
]
Tools = Annotated[
    list[str] | None,
    typer.Option(
        "-T",
        "--tool",
        metavar="TOOL",
        help="A tool, as in a script: FILE.py:NAME, a server tool, or studio. May be repeated.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "-o",
        "--option",
        metavar="KEY VALUE",
        help="A setting of the model, such as -o temperature 0.2. May be repeated.",
    ),
]
AgentName = Annotated[
    str | None,
    typer.Option(
        "-A",
        "--agent",
        metavar="MODULE:NAME",
        help="Your own agent: package.module:name, or file.py:name.",
    ),
]
Api = Annotated[OneApi | None, typer.Option(help="The API to use. Default: chat.")]
Draw = Annotated[
    bool | None,
    typer.Option(
        help="Offer OpenRouter's image generation tool to the model. "
        "Default: unless the model draws by itself, or calls no tools."
    ),
]
Cost = Annotated[float | None, typer.Option(metavar="USD", help="The most that it may cost.")]
Out = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Save the pictures there as well.")
]
Store = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER|URL",
        help="Where pictures are kept: a folder, or s3://, gs://, az:// or file://. "
        "Default: AGENTKIT_STORE, else the user's data folder.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one value a line.")]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", help="Print nothing but the answer, and errors.")
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Ask an emulator on this machine: no key, no cost.")
]
AskLive = Annotated[bool, typer.Option("--live", help="Ask OpenRouter. This is the default.")]


class Subcommands(TyperGroup):
    """The commands below a command: a word that is none of them is told with those that are."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names. Raises `UsageError`."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            accepted = " and ".join(self.commands)
            raise UsageError(
                f"No such command: {ctx.info_name} {args[0]!r:.80}; accepted are {accepted}"
            )
        return super().resolve_command(ctx, args)


class PairedOptions(TyperCommand):
    """A command whose `-o KEY VALUE` takes two words; `-o KEY=VALUE` is the same."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with each pair as one word."""
        return super().parse_args(ctx, _joined(args))


def _joined(arguments: Sequence[str]) -> list[str]:
    words = iter(arguments)
    joined: list[str] = []
    for word in words:
        joined.append(word)
        if word == "--":
            break
        if word not in _PAIRED:
            continue
        key = next(words, None)
        if key is None:
            break
        value = None if "=" in key else next(words, None)
        joined.append(key if value is None else f"{key}={value}")
    return [*joined, *words]


def settings_of(given: Sequence[str] | None) -> ModelSettings | None:
    """The settings that `-o KEY VALUE` give. Raises `UsageError`."""
    if not given:
        return None
    from agentkit.settings import ModelSettings

    return ModelSettings(**pairs(given, [each.name for each in fields(ModelSettings)]))


def pairs(given: Sequence[str] | None, keys: Collection[str]) -> dict[str, Any]:
    """What `-o KEY VALUE` give. A value is JSON where it can be, else text. Raises `UsageError`
    that lists the keys.
    """
    values: dict[str, Any] = {}
    for pair in given or ():
        key, sign, value = pair.partition("=")
        name = key.strip().replace("-", "_")
        if name not in keys:
            raise UsageError(f"-o {key!r}: there is no such setting; accepted: {', '.join(keys)}")
        if not sign:
            raise UsageError(f"-o {key!r}: a value is missing; accepted is -o KEY VALUE")
        values[name] = _value(value)
    return values


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
    except RecursionError:
        raise UsageError("-o: the value is nested too deep") from None
