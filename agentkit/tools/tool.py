"""`@tool`: a plain function becomes something that a model can call. Nothing is run here."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from agentkit._check import check_json
from agentkit.errors import ToolDefinitionError
from agentkit.tools.arguments import no_file, no_image
from agentkit.tools.pictures import returns_image
from agentkit.values import File, Image

if TYPE_CHECKING:
    from agentkit.tools.by_schema import SchemaParameters
    from agentkit.tools.schema import Parameters

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")

_CHARACTERS = "characters a-z, A-Z, 0-9, _ and -"
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")

Approve = bool | Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Tool(Generic[P, R]):
    """A function that a model can call, made by `tool`. It still is the function: `weather("Oslo")`
    calls it. `Tool.from_schema` makes one of a JSON Schema.
    """

    name: str
    description: str
    function: Callable[P, R]
    parameters: Parameters | SchemaParameters = field(repr=False, compare=False)
    timeout: float | None = None
    """Seconds for one call; None leaves it to the limits of the run."""
    approve: Approve = False
    """Whether a person has to agree before a call runs. A function is asked with the call's checked
    arguments.
    """
    external: bool = False
    """The tool is never run here: its result is given when the run is resumed."""
    repeats: bool = False
    """Whether equal calls in a row are allowed, as for a tool that asks how far some work is."""
    strict: bool | None = None
    """Whether the provider is told to hold the model to the schema. None says nothing of it."""
    defer_loading: bool | None = None
    """Whether the model is told of the tool only when a tool search finds it. None says nothing of
    it.
    """
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False, hash=False)
    """Further keys of the tool's entry in a request, such as `{"async": True}`."""
    is_async: bool = field(init=False, repr=False, compare=False)
    """Whether the function is async."""
    is_generator: bool = field(init=False, repr=False, compare=False)
    """Whether the function is an async generator, which can report progress."""

    def __post_init__(self) -> None:
        called = _called(self.function)
        object.__setattr__(self, "is_async", inspect.iscoroutinefunction(called))
        object.__setattr__(self, "is_generator", inspect.isasyncgenfunction(called))
        if not NAME.match(self.name):
            raise ToolDefinitionError(
                f"tool(name={self.name!r}): accepted are 1 to 64 of the "
                "characters a-z, A-Z, 0-9, _ and -"
            )
        if self.timeout is not None and not _is_positive(self.timeout):
            raise ToolDefinitionError(
                f"tool(timeout={self.timeout!r}) for {self.name}: accepted is a "
                "finite number of seconds above 0, or None"
            )
        asks = callable(self.approve) and not inspect.iscoroutinefunction(self.approve)
        if not isinstance(self.approve, bool) and not asks:
            raise ToolDefinitionError(
                f"tool(approve={self.approve!r}) for {self.name}: accepted are True, False, "
                "and a plain function of the arguments"
            )

        for option, kind, accepted in (
            ("description", str, "text"),
            ("external", bool, "True or False"),
            ("repeats", bool, "True or False"),
            ("strict", bool | None, "True, False or None"),
            ("defer_loading", bool | None, "True, False or None"),
        ):
            value: object = getattr(self, option)
            if not isinstance(value, kind):
                raise ToolDefinitionError(
                    f"tool({option}={value!r}) for {self.name}: accepted is {accepted}"
                )

        where = f"tool(extra={{!r}}) for {self.name}"
        object.__setattr__(self, "extra", check_json(where, self.extra))

    @classmethod
    def from_schema(
        cls,
        name: str,
        description: str,
        schema: Mapping[str, Any],
        call: Callable[..., Any],
        *,
        approve: Approve = False,
        timeout: float | None = None,
        repeats: bool = False,
    ) -> Tool[..., Any]:
        """A tool whose arguments are described by a JSON Schema, not by the signature of a
        function: one that was found in a file, a database or another program.

            Tool.from_schema("weather", "The weather in a city.", schema, ask_the_service)

        - `schema` is that of an object, of any draft, of at most 100,000 bytes. It is told to each
          provider in the words that it takes. References into itself are followed, those that lead
          out of it say nothing.
        - `call` gets the arguments as one dict; a function of two parameters gets a `Context`
          before them. It may be sync, async, or an async generator that reports progress, and
          return what any tool may.
        - `approve`, `timeout` and `repeats` are those of `tool`.

        With `jsonschema-rs` installed, arguments that do not fit the schema go back to the model;
        without it, `call` gets them as they are and checks them itself.

        Raises `ToolDefinitionError` for a name, a function or a schema that cannot be used.
        """
        owner = f"Tool.from_schema(name={name!r:.80})"
        if not isinstance(name, str) or not NAME.match(name):
            raise ToolDefinitionError(f"{owner}: accepted are 1 to 64 of the {_CHARACTERS}")
        if not callable(call) or isinstance(call, type):
            raise ToolDefinitionError(
                f"{owner}: its function is {call!r:.80}; accepted is a function"
            )
        from agentkit.tools.by_schema import by_name, parameters_by_schema, takes_context

        with_context = takes_context(call, owner)
        return Tool(
            name,
            description,
            by_name(call, takes_context=with_context),
            parameters_by_schema(schema, owner, takes_context=with_context),
            approve=approve,
            timeout=timeout,
            repeats=repeats,
        )

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its arguments."""
        return self.parameters.schema

    @property
    def takes_context(self) -> bool:
        """Whether the function's first argument is a `Context`."""
        return self.parameters.takes_context

    @property
    def returns_image(self) -> bool:
        """Whether the function says that it returns an `Image`: then it may return its path."""
        return returns_image(self.function)

    def parse(self, text: str) -> dict[str, Any]:
        """The JSON values that the model wrote as arguments, under the names of the function's
        parameters. Raises `BadArguments` for text that is no JSON object.
        """
        return self.parameters.parse(text)

    def check(
        self,
        arguments: str | Mapping[str, Any],
        *,
        images: Callable[[str], Image] = no_image,
        files: Callable[[str], File] = no_file,
    ) -> dict[str, object]:
        """The keyword arguments for `function`, from the JSON that the model wrote, or from the
        values of `parse`. What it left out is left out.

        `images` returns the picture with a handle, `files` the file, or raises `LookupError`, whose
        words the model is told. Raises `BadArguments`, and nothing else.
        """
        return self.parameters.check(arguments, images, files)

    def needs_approval(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a person has to agree to a call with these checked arguments.

        A function given as `approve` also sees the defaults of arguments that were left out. Only
        if it returns False does the call run without a question.
        """
        if isinstance(self.approve, bool):
            return self.approve
        parameters = inspect.signature(self.function).parameters
        defaults = {
            name: parameter.default
            for name, parameter in parameters.items()
            if parameter.default is not parameter.empty
        }
        return self.approve({**defaults, **arguments}) is not False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Tool[P, R]: ...
    @overload
    def __get__(
        self: Tool[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> Tool[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Tool[Any, R]:
        """A tool that was defined as a method, bound to its instance."""
        if instance is None or not self.parameters.is_method:
            return self
        bound: Tool[Any, R] = replace(
            self,
            function=MethodType(self.function, instance),
            parameters=replace(self.parameters, is_method=False),
        )
        return bound


@overload
def tool(
    function: Callable[P, R],
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    approve: Approve = False,
    external: bool = False,
    repeats: bool = False,
    strict: bool | None = None,
    defer_loading: bool | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Tool[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    approve: Approve = False,
    external: bool = False,
    repeats: bool = False,
    strict: bool | None = None,
    defer_loading: bool | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    approve: Approve = False,
    external: bool = False,
    repeats: bool = False,
    strict: bool | None = None,
    defer_loading: bool | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Any:
    """Make a tool of a function: sync, async, or an async generator that reports progress.

        @tool
        def weather(city: str, days: int = 1) -> str:
            \"\"\"The weather in a city, given its name in English.\"\"\"

    The schema comes from the type hints, the descriptions from the docstring (Google's, NumPy's or
    Sphinx's style). A first parameter annotated `Context` gets what the caller passed. A parameter
    annotated `Image` gets the picture whose handle the model named, one annotated `File` the file.

    - `name` and `description` replace those of the function.
    - `timeout` is in seconds.
    - `approve=True` makes a call wait for a person; so does a function of the arguments, unless it
      returns False.
    - `external=True`: the tool is never run here; its result is given when the run is resumed.
    - `repeats=True` allows equal calls; otherwise no call runs that three replies in a row made.
    - `strict` says whether the provider is told to hold the model to the schema, `defer_loading`
      whether the model is told of the tool only when a tool search finds it; `extra` are further
      keys of its entry in a request.

    Raises `ToolDefinitionError` for a function that cannot become a tool.
    """
    settings: dict[str, Any] = {
        "timeout": timeout,
        "approve": approve,
        "external": external,
        "repeats": repeats,
        "strict": strict,
        "defer_loading": defer_loading,
        "extra": {} if extra is None else extra,
    }
    if function is None:
        return partial(make_tool, name=name, description=description, **settings)
    return make_tool(function, name=name, description=description, **settings)


def make_tool(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    **settings: Any,
) -> Tool[..., Any]:
    """What `tool` does, with the function at hand."""
    if isinstance(function, staticmethod):
        function = function.__func__
    _refuse_misfits(function)
    called = name or _name_of(function)
    if not isinstance(called, str) or not NAME.match(called):
        raise ToolDefinitionError(
            f"the tool name {called!r} is not accepted: 1 to 64 of the characters a-z, "
            "A-Z, 0-9, _ and -; give one by tool(name=…)"
        )
    # Imported here, since it loads pydantic: a program without tools does not need it.
    from agentkit.tools.schema import parameters_of

    is_strict = settings.get("strict") is True
    parameters, documented = parameters_of(function, f"the tool {called}", strict=is_strict)
    if description is None:
        description = documented
    return Tool(called, description, function, parameters, **settings)


def _refuse_misfits(function: object) -> None:
    accepted = "accepted are functions, async functions, async generator functions and methods"
    if isinstance(function, Tool):
        raise ToolDefinitionError(
            f"tool({function!r}): it is a tool already; dataclasses.replace changes one"
        )
    if isinstance(function, type):
        raise ToolDefinitionError(f"tool({function.__qualname__}): this is a class; {accepted}")
    if isinstance(function, classmethod):
        raise ToolDefinitionError(
            "tool() of a classmethod: put @classmethod away, or use tool(TheClass.the_method)"
        )
    if not callable(function):
        raise ToolDefinitionError(f"tool({function!r}): {accepted}")
    if inspect.isgeneratorfunction(_called(function)):
        raise ToolDefinitionError(
            f"tool({_name_of(function)}): it is a sync generator; to tell "
            "progress, make it async: async def … yield"
        )


def _name_of(function: object) -> str:
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _called(function: Any) -> Callable[..., object]:
    """What is called when `function` is: itself, or its `__call__`."""
    if inspect.isroutine(function) or issubclass(type(function), partial):
        return function
    return type(function).__call__


def _is_positive(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value > 0
    )
