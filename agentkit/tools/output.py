"""Structured output: the JSON Schema of a type, and the value in a reply's words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, cast

from typing_extensions import TypeVar

from agentkit._check import refused
from agentkit.tools.dialect import Dialect, fitted, too_large
from agentkit.tools.nodes import new_names
from agentkit.tools.prose import json_in, spoken
from agentkit.tools.restore import restored
from agentkit.tools.text import join_escaped_surrogates
from agentkit.wire.json import without_commas

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T", default=Any)
_LONGEST_TIDIED = 50_000
"""Characters of a reply that is looked through again, if nothing in it was JSON."""
_ONE_LINE = re.compile(r"[^\s{\[<][^\n]{0,99}")
"""What may be a value that is said without JSON."""
_MARKS = " .*_`'\""
"""What stands around one word that is said as an answer."""
_NAME = re.compile(r"[^a-zA-Z0-9_-]+")


class BadOutput(ValueError):
    """The words do not fit the type. The message is written for the model."""


class _NoJson(BadOutput):
    """The words are no JSON at all."""


class Output(Generic[T]):
    """What `Agent(output=…)` asks for. Raises `UsageError` where the type has no JSON Schema."""

    def __init__(self, kind: type[T]) -> None:
        from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

        from agentkit.wire.types import OutputSchema

        self.kind = kind
        try:
            self._adapter = TypeAdapter(kind)
            schema = self._adapter.json_schema()
        except (PydanticSchemaGenerationError, PydanticUserError) as error:
            reason = str(error).split("\n")[0]
            accepted = f"is a pydantic model or a type with a JSON Schema ({reason})"
            raise refused("Agent(output={!r})", kind, accepted) from None
        self._wanted: Mapping[str, Any] = schema
        full = fitted(schema, Dialect(strict=True))
        if (why := too_large(full.schema)) is not None:
            raise refused("Agent(output={!r})", kind, f"is {why}")
        self._shown = new_names(full.marked)
        self._is_wrapped = full.is_wrapped
        self._marked = full.marked_value
        name = _NAME.sub("_", getattr(kind, "__name__", "output"))[:64] or "output"
        self.schema = OutputSchema(name, full.schema)
        self.lean = OutputSchema(name, fitted(schema, Dialect(strict=True, lean=True)).schema)
        """The schema for providers that take fewer keywords."""

    def read(self, words: str) -> T:
        """The value that these words hold: of several that fit, the last. Raises `BadOutput` about
        the likeliest.
        """
        likeliest: BadOutput | None = None
        for text in self._candidates(words):
            try:
                return self._read(text)
            except _NoJson as error:
                likeliest = likeliest or error
            except BadOutput as error:
                if likeliest is None or isinstance(likeliest, _NoJson):
                    likeliest = error
        raise likeliest or _NoJson("it is no JSON")

    def _candidates(self, words: str) -> Iterator[str]:
        """The JSON texts that may be meant, the likeliest first. A value that is no object, such as
        one of a `Literal`, is also said as it is.
        """
        yield from json_in(words)
        if len(words) > _LONGEST_TIDIED:
            return
        if (tidy := without_commas(words)) != words:
            yield from json_in(tidy)
        if self._is_wrapped:
            said = spoken(words)
            if _ONE_LINE.fullmatch(said):
                yield from [json.dumps(each) for each in dict.fromkeys((said, said.strip(_MARKS)))]

    def _read(self, text: str) -> T:
        """The value in one JSON text. Raises `BadOutput`."""
        from pydantic import ValidationError

        text = join_escaped_surrogates(text)
        try:
            value = json.loads(text, strict=False)
        except (ValueError, RecursionError) as error:
            raise _NoJson(f"it is no JSON: {error}") from None
        try:
            return self._validated(value)
        except ValidationError as error:
            problems = error.errors(include_url=False)[:8]
            raise BadOutput("; ".join(map(self._problem, problems))) from None
        except Exception as error:  # a validator of the user's types may raise anything
            raise BadOutput(
                f"it could not be checked: {type(error).__name__}: {str(error)[:200]}"
            ) from error

    def _problem(self, detail: ErrorDetails) -> str:
        """What does not fit, under the names that the model knows."""
        steps = [self._shown.get(str(step), str(step)) for step in detail["loc"]]
        return f"{'.'.join(steps) or 'the whole'}: {detail['msg']}"

    def _validated(self, value: object) -> T:
        """The value as the type. Where the schema has it in an object, it may also come bare."""
        from pydantic import ValidationError

        if not self._is_wrapped or not isinstance(value, dict) or "value" not in value:
            return self._fitted_to_type(cast("object", value))
        try:
            return self._fitted_to_type(cast("dict[str, object]", value)["value"])
        except ValidationError as error:
            try:
                return self._fitted_to_type(cast("object", value))
            except ValidationError:
                raise error from None

    def _fitted_to_type(self, value: object) -> T:
        from agentkit.tools.leniency import validated

        value = restored(value, self._marked)
        return validated(self._checked, value, self._wanted, self._marked)

    def _checked(self, value: object) -> T:
        from pydantic_core import to_json

        # As JSON, not as Python values: then a date is a string, and a tuple a list, for strict
        # types too.
        return self._adapter.validate_json(to_json(value, inf_nan_mode="constants"))
