"""`agentkit emulator`: an OpenRouter on this machine."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from agentkit.cli.connection import CHUNK_DELAY
from agentkit.errors import UsageError


def emulator(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 0,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    faults: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Faults to inject, such as examples/chaos.yaml."),
    ] = None,
) -> None:
    """Run a local OpenRouter whose model follows rules, until Ctrl-C. Prints its address."""
    from agentkit.emulator import ChaosError, Emulator, Faults, faults_from_file

    try:
        chaos = faults_from_file(faults) if faults is not None else Faults()
    except ChaosError as error:
        raise UsageError(str(error)) from error
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
    try:
        running = Emulator(host=host, port=port, chunk_delay=CHUNK_DELAY, faults=chaos).start()
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    typer.echo(running.base_url)
    typer.echo(
        f"OPENROUTER_BASE_URL={running.base_url} OPENROUTER_API_KEY={running.api_key}", err=True
    )
    if faults is not None:
        typer.echo(f"{len(chaos)} faults from {faults}, seed {chaos.seed}", err=True)
    try:
        while not ended.wait(1.0):
            pass
    except KeyboardInterrupt:
        pass
    finally:
        running.stop()
