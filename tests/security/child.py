"""Hostile pictures through all that agentkit does with one, in a process of its own that may have
512 MB.

    python -m tests.security.child FOLDER

FOLDER holds the pictures. For each, one line of JSON is printed: its file, the seconds of the
processor, and what came of each step: `ok`, `refused: …` for an `ImageError`, anything else for any
other exception. A crash leaves its line out.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

MEMORY = 512 << 20


def outcome(step: Callable[[], object]) -> str:
    from agentkit.errors import ImageError

    try:
        step()
    except ImageError as error:
        return f"refused: {error}"
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is a finding
        return f"{type(error).__name__}: {error}"
    return "ok"


def steps(data: bytes, folder: Path) -> dict[str, str]:
    from agentkit import FileImageStore, Image
    from agentkit.images import inspect, store_bytes
    from agentkit.show import html, markdown, plain
    from agentkit.values.image import ImageFailure, Source

    made: list[Image] = []
    told = {
        "inspect": outcome(lambda: inspect(BytesIO(data))),
        "store": outcome(lambda: store_bytes(FileImageStore(folder), data)),
        "from_bytes": outcome(lambda: made.append(Image.from_bytes(data, alt="<b>hostile</b>"))),
    }
    if made:
        image = made[0]
        told |= {
            "to_pillow": outcome(image.to_pillow),
            "sent": outcome(lambda: sent(data)),
            "to_html": outcome(lambda: html.answer((image,))),
            "to_markdown": outcome(lambda: markdown.answer((image,))),
            "plain": outcome(lambda: plain.answer((image,))),
            "notebook": outcome(image._repr_mimebundle_),
            "save": outcome(lambda: image.save(folder / "saved.bin")),
        }
    failure = told["inspect"].removeprefix("refused: ")
    shown = html.answer((), (ImageFailure(Source("images"), None, failure),))
    told["failure"] = "ok" if "<script" not in shown else shown
    return told


def sent(data: bytes) -> bytes:
    """The picture in the form in which it goes to a model."""
    from agentkit.images.convert import converted, is_taken
    from agentkit.images.inspect import inspect

    info = inspect(BytesIO(data))
    return data if is_taken(info) else converted(data, info)


def main(folder: Path) -> None:
    import PIL.Image

    import agentkit
    import agentkit.show.html

    del agentkit
    PIL.Image.init()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    store = folder / "store"
    for file in sorted(folder.glob("*.in")):
        began = time.process_time()
        told = steps(file.read_bytes(), store)
        line = {"file": file.name, "seconds": round(time.process_time() - began, 3), "steps": told}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
