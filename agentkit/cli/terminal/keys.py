"""The keys of the chat's line of input, beside those of every line: Emacs keys, history, search."""

from __future__ import annotations

from typing import Protocol

from prompt_toolkit.application.current import get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyBindings, KeyPress, KeyPressEvent

TWICE = 1.0
"""Seconds within which a second Ctrl-C leaves the chat."""


def keys_of(typed: bytes) -> list[KeyPress]:
    """The keys that a terminal sends as these bytes."""
    keys: list[KeyPress] = []
    parser = Vt100Parser(keys.append)
    parser.feed_and_flush(typed.decode("utf-8", "replace"))
    return keys


class Actions(Protocol):
    """What the keys do."""

    def accept(self) -> None: ...
    def interrupt(self) -> None: ...
    def end_of_input(self) -> None: ...


@Condition
def _is_completing() -> bool:
    state = get_app().current_buffer.complete_state
    return state is not None and state.current_completion is not None


def chat_keys(actions: Actions) -> KeyBindings:
    """Enter sends, Alt-Enter begins a new line, Ctrl-C and Ctrl-D stop and leave.

    Ctrl-J is what Enter was where it was typed before the chat had the terminal.
    """
    keys = KeyBindings()

    @keys.add("enter", filter=_is_completing)
    @keys.add("c-j", filter=_is_completing)
    def _choose(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None

    @keys.add("enter", filter=~_is_completing)
    @keys.add("c-j", filter=~_is_completing)
    def _send(event: KeyPressEvent) -> None:
        event.current_buffer.cancel_completion()
        actions.accept()

    @keys.add("escape", "enter")
    @keys.add("escape", "c-j")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c")
    @keys.add("<sigint>")
    def _interrupt(event: KeyPressEvent) -> None:
        event.current_buffer.cancel_completion()
        actions.interrupt()

    @keys.add("c-d")
    def _end(_: KeyPressEvent) -> None:
        actions.end_of_input()

    @keys.add("tab")
    def _complete(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None:
            buffer.complete_next()
        else:
            buffer.start_completion(insert_common_part=True)

    @keys.add("s-tab")
    def _complete_back(event: KeyPressEvent) -> None:
        event.current_buffer.complete_previous()

    @keys.add("c-l")
    def _clear(event: KeyPressEvent) -> None:
        event.app.renderer.clear()

    return keys
