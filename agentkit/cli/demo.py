"""The commands of `agentkit demo`. `agentkit demo SCRIPT` is `agentkit demo run SCRIPT`."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from agentkit.cli.connection import CHUNK_DELAY, Live
from agentkit.cli.stored_key import use_stored_key
from agentkit.errors import UsageError

if TYPE_CHECKING:
    from agentkit.demo.plays import Results
    from agentkit.demo.recorded import Recording
    from agentkit.demo.script import Script
    from agentkit.demo.sources import Source
    from agentkit.images.store import FileImageStore
    from agentkit.values import Api


class _DemoGroup(TyperGroup):
    """A group whose command `run` need not be named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with `run` before them where they name no command."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_DemoGroup,
    help="Play scripts in the terminal and write reports.",
    rich_markup_mode=None,
)


@app.callback()
def root() -> None:
    """Play scripts in the terminal and write reports: `agentkit demo SCRIPT`."""


class ApiChoice(StrEnum):
    chat = "chat"
    responses = "responses"
    both = "both"


Scripts = Annotated[
    list[Path],
    typer.Argument(metavar="SCRIPT", help="Scripts, such as examples/fox.demo.yaml."),
]
Values = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A value for one of the script's variables."),
]


Model = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL",
        help="A model in place of the script's. Given several times, they are compared.",
    ),
]
Repeat = Annotated[int, typer.Option(min=1, max=1000, help="How often each script is played.")]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, max=64, help="How many plays run at once.")
]
Cassette = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Play from this cassette; record it if it is not there."),
]
SingleFile = Annotated[
    bool,
    typer.Option("--single-file", help="Write the report as one HTML file that can be mailed."),
]
Pictures = Annotated[
    bool, typer.Option("--pictures", help="Beside the one file, the pictures in full size.")
]
Junit = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results as JUnit XML.")]


@app.command()
def run(
    scripts: Scripts,
    *,
    api: Annotated[
        ApiChoice | None, typer.Option(help="The API to use. Default: those of the script.")
    ] = None,
    model: Model = None,
    repeat: Repeat = 1,
    jobs: Jobs = 1,
    values: Values = None,
    cassette: Cassette = None,
    out: Annotated[Path, typer.Option(help="The folder for the report.")] = Path("out/demo"),
    single_file: SingleFile = False,
    pictures: Pictures = False,
    junit: Junit = None,
    live: Live = False,
) -> None:
    """Play scripts in the terminal and write reports."""
    from agentkit.demo.plays import Results, jobs_of
    from agentkit.demo.report import check_folder
    from agentkit.demo.sources import opened

    if cassette is not None and jobs > 1:
        raise UsageError("--cassette: the requests of a cassette come one by one; accepted is -j 1")
    loaded = _load(scripts, values)
    folders = _folders(loaded, out)
    for folder in folders:
        check_folder(folder, single_file=single_file)
    results = Results(jobs_of(loaded, apis=_chosen_apis(api), models=model or [], repeat=repeat))
    if live:
        _go_live(loaded)
    with (
        _pictures() as store,
        opened(
            live=live,
            cassette=cassette,
            recorded_by=", ".join(script.name for script in loaded),
            pace=CHUNK_DELAY if jobs == 1 else 0.0,
        ) as source,
    ):
        try:
            is_whole = _play(results, source, store, jobs)
        finally:
            for script, folder in zip(loaded, folders, strict=True):
                _report(script, results, folder, source, single_file, pictures)
            if junit is not None:
                _write_junit(junit, results)
    if not is_whole:
        raise KeyboardInterrupt
    _tell(results, repeat)


@app.command()
def check(scripts: Scripts, *, values: Values = None) -> None:
    """Read scripts without playing them. What is wrong is told by file, line and field."""
    from agentkit.demo.document import ScriptError
    from agentkit.demo.script import load
    from agentkit.demo.tools import load_tools
    from agentkit.show.plain import line

    wrong = 0
    for path in scripts:
        try:
            script = load(path, _variables(values))
            load_tools(script)
        except ScriptError as error:
            wrong += 1
            typer.echo(f"agentkit: {line(str(error), width=1000)}", err=True)
        else:
            typer.echo(f"{path}: {len(script.turns)} turns, {' and '.join(script.apis)}")
    if wrong:
        raise typer.Exit(2)


@app.command()
def record(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A saved run (run.json), or the id of a session."),
    ],
    script: Annotated[Path, typer.Argument(metavar="SCRIPT", help="The script to be written.")],
    *,
    tool: Annotated[
        list[str] | None, typer.Option(help="A tool of the script: FILE.py:NAME. May be repeated.")
    ] = None,
) -> None:
    """Turn a conversation into a script, play it once, and record its cassette."""
    from agentkit.demo.api import play_scripts_sync
    from agentkit.show.plain import line

    cassette = script.with_name(f"{script.name.partition('.')[0]}.cassette.yaml")
    if cassette.exists():
        raise UsageError(f"{cassette} is there already; it is not replaced")
    recording = _recording(source, script.name.partition(".")[0], tool or [])
    recording.write(script)
    typer.echo(f"{script}: {len(recording.pictures)} pictures beside it")
    if recording.missing_tools:
        names = ", ".join(recording.missing_tools)
        typer.echo(f"agentkit: not played, its `tools` lack {line(names)}", err=True)
        raise typer.Exit(1)
    results = play_scripts_sync(script, cassette=cassette)
    typer.echo(str(cassette))
    for why in results.failed:
        typer.echo(f"agentkit: not as expected: {line(why, width=400)}", err=True)
    if results.failed:
        raise typer.Exit(1)


def _recording(source: str, name: str, tools: Sequence[str]) -> Recording:
    """The script of a saved run, or of a session."""
    from agentkit.demo.recorded import script_of
    from agentkit.images.stores import default_store
    from agentkit.run import Run

    if Path(source).is_file():
        try:
            text = Path(source).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{source} cannot be read: {error}") from error
        run = Run.from_json(text, blobs=default_store())
        return script_of(
            run.messages, run.images, name=name, model=run.model, api=run.api, tools=tools
        )
    import asyncio

    from agentkit.agent import Agent
    from agentkit.sessions import Sessions

    async def read() -> Recording:
        async with Sessions() as sessions:
            agent = Agent("openai/gpt-5.2", checks=False)
            async with sessions.conversation(source, agent) as chat:
                if not chat.messages:
                    why = "there is no such file, and no session of this name"
                    raise UsageError(f"{source}: {why}")
                return script_of(
                    chat.messages,
                    chat.images.values(),
                    name=name,
                    model=chat.model,
                    api=chat.api,
                    tools=tools,
                )

    return asyncio.run(read())


@app.command()
def schema() -> None:
    """Print the JSON Schema of scripts, from which editors complete them."""
    from agentkit.demo.json_schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


def _go_live(scripts: Sequence[Script]) -> None:
    """Take the kept key, and say what is not used."""
    use_stored_key()
    if any(script.has_replies for script in scripts):
        typer.echo("agentkit: --live: a model answers, not the script's `replies`", err=True)


def _chosen_apis(choice: ApiChoice | None) -> tuple[Api, ...]:
    match choice:
        case None:
            return ()
        case ApiChoice.both:
            return ("chat", "responses")
        case _:
            return (choice.value,)


def _load(paths: Sequence[Path], values: Sequence[str] | None) -> list[Script]:
    from agentkit.demo.script import load

    return [load(path, _variables(values)) for path in paths]


def _variables(values: Sequence[str] | None) -> dict[str, str]:
    """The values of `--set NAME=VALUE`."""
    found: dict[str, str] = {}
    for each in values or ():
        name, sign, value = each.partition("=")
        if not sign or not name:
            raise UsageError(f"--set {each}: accepted is NAME=VALUE")
        found[name] = value
    return found


def _folders(scripts: Sequence[Script], out: Path) -> list[Path]:
    """The folder of each report: that of `--out`, or one in it for each of several scripts."""
    if len(scripts) == 1:
        return [out]
    names: list[str] = []
    for script in scripts:
        stem = Path(script.document.file).name.partition(".")[0] or "script"
        taken = sum(name == stem or name.startswith(f"{stem}-") for name in names)
        names.append(f"{stem}-{taken + 1}" if taken else stem)
    return [out / name for name in names]


@contextmanager
def _pictures() -> Generator[FileImageStore]:
    """A store for the pictures of the plays, until their report is written."""
    import tempfile

    from agentkit.images.store import FileImageStore

    with tempfile.TemporaryDirectory(prefix="agentkit-demo-") as folder:
        yield FileImageStore(folder)


def _play(results: Results, source: Source, store: FileImageStore, at_once: int) -> bool:
    """Make the plays, and show them in the terminal. Returns whether they were not interrupted."""
    import asyncio

    from agentkit.demo.live import TerminalView
    from agentkit.demo.plays import play_jobs
    from agentkit.demo.progress import ProgressView

    view = TerminalView() if at_once == 1 else ProgressView(results.jobs)
    try:
        with view:
            asyncio.run(play_jobs(results, source, store, at_once=at_once, watcher=view.watcher_of))
    except KeyboardInterrupt:
        return False
    return True


def _report(
    script: Script,
    results: Results,
    folder: Path,
    source: Source,
    single_file: bool,
    pictures: bool,
) -> None:
    from agentkit.demo.report import write

    plays = results.of(script)
    if not plays:
        return
    page = write(
        script,
        plays,
        folder,
        answered_by=source.answered_by,
        single_file=single_file,
        pictures=pictures,
    )
    typer.echo(f"\nReport: {page}")


def _write_junit(path: Path, results: Results) -> None:
    from agentkit.demo.junit import write_junit

    plays = [(script, played) for script in results.scripts for played in results.of(script)]
    write_junit(path, plays)


def _tell(results: Results, repeat: int) -> None:
    """Say what was not as expected, and how often each expectation held."""
    from agentkit.demo.plays import rates
    from agentkit.demo.saved_play import names_of
    from agentkit.show.plain import line

    for script in results.scripts:
        name = f"{line(script.name)}: " if len(results.scripts) > 1 else ""
        plays = results.of(script)
        titles = [title for _, title in names_of(plays)]
        is_compared = repeat > 1 or len({played.model for played in plays}) > 1
        for played, title in zip(plays, titles, strict=True):
            for why in played.failed:
                words = f"{name}{f'{line(title)}: ' if is_compared else ''}{line(why, width=400)}"
                typer.echo(f"agentkit: not as expected: {words}", err=True)
        if repeat > 1:
            found = rates(plays)
            always = sum(rate.held == rate.of for rate in found)
            typer.echo(f"{name}{always} of {len(found)} expectations held in every play")
            for rate in found:
                if rate.held < rate.of:
                    wanted = line(rate.expected, width=200)
                    typer.echo(f"  turn {rate.turn}: {rate.held} of {rate.of}: {wanted}")
    if not results.is_good:
        raise typer.Exit(1)
