"""Records every example: `make record` from the emulator, `make record LIVE=1` from OpenRouter,
which costs money.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

from agentkit import OpenRouter
from agentkit.emulator import Emulator
from tests.cassettes.recorder import EMULATOR, EXAMPLES, FOLDER, MAX_BYTES, example, file_of, record


@contextmanager
def connection(*, live: bool) -> Iterator[OpenRouter]:
    if live:
        yield OpenRouter()
        return
    with Emulator() as emulator:
        yield OpenRouter(api_key=emulator.api_key, base_url=emulator.base_url)


async def record_example(name: str, *, live: bool = False, folder: Path = FOLDER) -> Path:
    """One example, into its cassette."""
    source = "OpenRouter" if live else EMULATOR
    with (
        tempfile.TemporaryDirectory() as out,
        connection(live=live) as client,
        record(name, source=source, folder=folder),
        redirect_stdout(StringIO()),
    ):
        async with client:
            await example(name).main(client, Path(out))
    return file_of(name, folder)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cassettes.record", description=__doc__)
    parser.add_argument(
        "--live", action="store_true", help="from OpenRouter, with OPENROUTER_API_KEY; costs money"
    )
    live = parser.parse_args().live
    with tempfile.TemporaryDirectory() as store:
        os.environ["AGENTKIT_STORE"] = store
        for name in EXAMPLES:
            file = asyncio.run(record_example(name, live=live))
            size = file.stat().st_size
            print(f"{file.relative_to(FOLDER.parent)}: {size} bytes")
            if size >= MAX_BYTES:
                raise SystemExit(
                    f"{file.name} is too large: a cassette has fewer than {MAX_BYTES} bytes"
                )


if __name__ == "__main__":
    main()
