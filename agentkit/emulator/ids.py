"""Identifiers in OpenRouter's forms, from a seed."""

import random
import string
import time


class Ids:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def new(self, prefix: str, length: int = 20) -> str:
        return prefix + "".join(
            self._random.choices(string.ascii_letters + string.digits, k=length)
        )

    def generation(self, kind: str = "") -> str:
        return self.new(f"gen-{kind}{int(time.time())}-")
