"""`python -m agentkit.emulator`: run the emulator until interrupted, and print its base URL."""

import argparse
import sys
import threading
from collections.abc import Sequence

from agentkit.emulator.faults.fault_file import ChaosError, faults_from_file
from agentkit.emulator.server.server import Emulator


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m agentkit.emulator", description="An OpenRouter on loopback."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on (default: a free one)"
    )
    parser.add_argument(
        "--url-ttl", type=float, default=3600.0, help="seconds that a temporary image URL lives"
    )
    parser.add_argument(
        "--chunk-delay", type=float, default=0.0, help="seconds between two pieces of a stream"
    )
    parser.add_argument("--seed", type=int, default=0, help="makes ids and pictures repeatable")
    parser.add_argument("--faults", metavar="FILE", help="a YAML file of what goes wrong, and when")
    given = parser.parse_args(arguments)
    if not 0 <= given.port <= 65_535:
        parser.error(f"--port: {given.port} was given; a number from 0 to 65535 is accepted")
    try:
        faults = faults_from_file(given.faults) if given.faults else ()
    except ChaosError as error:
        parser.error(str(error))
    emulator = Emulator(
        host=given.host,
        port=given.port,
        url_ttl=given.url_ttl,
        chunk_delay=given.chunk_delay,
        seed=given.seed,
        faults=faults,
    )
    try:
        emulator.start()
    except OSError as error:
        parser.error(f"cannot listen on {given.host}:{given.port}: {error.strerror or error}")
    print(emulator.base_url, flush=True)
    if given.faults:
        print(
            f"{len(emulator.faults)} faults, seed {emulator.faults.seed}",
            file=sys.stderr,
            flush=True,
        )
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        emulator.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
