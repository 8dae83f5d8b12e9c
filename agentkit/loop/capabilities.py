"""What the model of a run can do, read from the catalogue: the request is built from it, and what
cannot work is said before it is sent.

The catalogue gives advice, never permission. Where it cannot be had, where it does not know the
model, or where several models may answer (fallbacks, a preset, a router), the run goes as the user
said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from math import fsum

from agentkit.errors import AgentkitError, BadRequest, Unsupported
from agentkit.loop.context import RunContext
from agentkit.loop.known import Abilities
from agentkit.loop.service import check_service
from agentkit.loop.tool_values import check_tool_values
from agentkit.openrouter.catalogue import Catalogue, listed_models
from agentkit.openrouter.client import OpenRouter
from agentkit.openrouter.price_list import Price
from agentkit.openrouter.prices import price as price_of_drawing
from agentkit.run import Run
from agentkit.run.file_forms import OCR_PAGE_USD, form_of, pages_of, tokens_of_file
from agentkit.run.history import PICTURE_TOKENS
from agentkit.run.sizes import Size, Sizes
from agentkit.run.views import Views
from agentkit.settings import ModelSettings
from agentkit.tools.server_tools import ServerTool
from agentkit.values import File, Message, Messages, Text, Usage
from agentkit.values import replace as grown
from agentkit.wire.cache_marks import keeps_an_hour, write_prices
from agentkit.wire.catalogue import ChatModel
from agentkit.wire.images import ImageRequest
from agentkit.wire.json import write
from agentkit.wire.types import Request

_SUGGESTED = 5
_BYTES_A_TOKEN = 4
_REPLY_TOKENS = 4096
"""A reply of usual length; longer ones are rare, and a model's own limit is thirty times that."""
DRAWS_BY_DEFAULT = "openai/gpt-5-image"
"""What `openrouter:image_generation` draws with, if it is not told, as its documentation says."""


_MAY_DRAW = frozenset({"image_config", "modalities", "model", "models", "plugins", "tools"})
"""Fields with which `ModelSettings.extra` may change what a request brings."""


async def with_capabilities(context: RunContext, run: Run) -> RunContext:
    """The context for the model of this run, as far as the catalogue knows it.

    Raises `Unsupported` for what the model or the service cannot do, and `UsageError` for a limit
    in money where no cost is known; nothing was sent then.
    """
    known = context.services.known
    abilities = known.abilities
    if abilities is None or not _hold(abilities, context, run):
        check_service(context, run)
        abilities = await _abilities(context, run)
        known.abilities = abilities
    context = _with(abilities, context)
    price = context.services.client.prices.of(run.model)
    return context if price is None else _with_prices(context, run, price)


def _hold(abilities: Abilities, context: RunContext, run: Run) -> bool:
    """Whether what was found for an earlier run of the agent holds for this one: nothing has
    changed, and there is nothing whose check needs more than the agent, as that of pictures, of
    limits in money, and of tools that run elsewhere.
    """
    services = context.services
    return (
        abilities.client is services.client
        and abilities.tools is context.tools
        and abilities.given is context.settings
        and abilities.model == run.model
        and abilities.api == run.api
        and services.checks
        and services.client.service.tells_cost
        and not context.tools.server
        and abilities.counts_money == _counts_money(context, run)
        and all(isinstance(part, Text) for part in _prompt(run).parts)
        and abilities.listed is not None
        and abilities.listed is listed_models(services.client)
    )


async def _abilities(context: RunContext, run: Run) -> Abilities:
    """What the catalogue has of the model, of a service that has one."""
    client, money = context.services.client, _counts_money(context, run)
    nothing = Abilities(run.model, run.api, context.tools, context.settings, client, money, None)
    if not context.services.checks or not client.service.lists_abilities:
        return nothing
    catalogue = Catalogue(client)
    asked = context.audience(run.model).sole
    model = None if asked is None else await catalogue.chat_model(asked)
    if model is not None:
        await _check_abilities(model, context, run, catalogue)
    tool = context.image_tool
    painter = None if tool is None else _painter(tool)
    await check_tool_values(context.tools.server, painter, catalogue)
    listed = listed_models(client)
    if model is None:
        return replace(nothing, listed=listed)
    settings, picture, own = with_modalities(context.settings, model), None, None
    if money:
        if tool is not None:
            picture = await _price_of(_drawing(tool), catalogue)
        if "image" in (settings.modalities or ()):
            own = await _price_of(_own_drawing(model, settings), catalogue)
            own = own or model.prices.get("image_output")
    return replace(
        nothing,
        listed=listed,
        found=model,
        settings=settings,
        cache_saved=_saver(model, context, run),
        picture=picture,
        own=own,
    )


def _with(abilities: Abilities, context: RunContext) -> RunContext:
    """The context with what was found of the model."""
    model = abilities.found
    if model is None:
        return context
    pricing = _Pricing(model, abilities.picture, abilities.own, _sizes(context))
    return grown(
        context,
        settings=abilities.settings,
        sees=model.sees,
        cache_saved=abilities.cache_saved,
        takes_files=model.takes_files,
        price=pricing.known,
        worst_price=pricing.worst,
        picture_price=abilities.picture,
    )


def _with_prices(context: RunContext, run: Run, price: Price) -> RunContext:
    """The context with the prices that the user told, which win over those of the catalogue."""
    context = replace(context, cache_saved=_saver(price.as_model(run.model), context, run))
    if not _counts_money(context, run):
        return context
    model, wanted = price.as_model(run.model), context.settings.modalities
    has_tool = context.services.client.service.image_tool(run.api) is not None
    if context.image_tool is not None and has_tool:
        picture, own = _picture_price(context, price), None
    else:
        picture, own = None, price.image if wanted is None or "image" in wanted else None
    pricing = _Pricing(model, picture, own, _sizes(context), holds_own=True)
    return replace(context, price=pricing.known, worst_price=pricing.worst, picture_price=picture)


def _saver(model: ChatModel, context: RunContext, run: Run) -> Callable[[Usage], float | None]:
    """What the prompt cache saved in a request that used this much."""
    hour = keeps_an_hour(context.settings, context.audience(run.model))
    return lambda usage: model.cache_saved(usage, datetime.now(UTC), hour=hour)


def _picture_price(context: RunContext, price: Price) -> float | None:
    """What a picture of the tool costs, in USD, by the prices that the user told."""
    tool, prices = context.image_tool, context.services.client.prices
    painter = None if tool is None else prices.of_painter(tool.parameters.get("model"))
    told = price.image if painter is None else painter.image
    return context.picture_price if told is None else told


async def _price_of(drawing: ImageRequest, catalogue: Catalogue) -> float | None:
    painter = await catalogue.image_model(drawing.model)
    if painter is None:
        return None
    return price_of_drawing(painter.endpoints, drawing, datetime.now(UTC))


async def picture_price(tool: ServerTool, client: OpenRouter) -> float | None:
    """What a picture of the server tool that draws costs at most, in USD; None where neither the
    catalogue nor the user's own prices tell. Never raises.
    """
    told = client.prices.of_painter(tool.parameters.get("model"))
    if told is not None and told.image is not None:
        return told.image
    return await _price_of(_drawing(tool), Catalogue(client))


async def may_draw(request: Request, context: RunContext) -> bool:
    """Whether this request may bring a picture. Where it does not say, the catalogue is asked, also
    with `checks=False`; what nobody knows counts as yes.
    """
    settings = request.settings
    if (request.server_tools and not request.closing) or settings.extra.keys() & _MAY_DRAW:
        return True
    if settings.modalities is not None:
        return "image" in settings.modalities
    service = context.services.client.service
    if not service.lists_abilities:
        return service.fields.draws_itself
    asked = context.audience(request.model).sole
    model = None if asked is None else await Catalogue(context.services.client).chat_model(asked)
    return model is None or model.may_draw


async def _check_abilities(
    model: ChatModel, context: RunContext, run: Run, catalogue: Catalogue
) -> None:
    """Raises `Unsupported` for what the model cannot do."""
    if (problem := cannot(model, context, run)) is not None:
        parameter, words, able = problem
        others = await _known(catalogue)
        raise _unsupported(
            run.model, parameter, words, [other.id for other in others if able(other)]
        )


async def _known(catalogue: Catalogue) -> tuple[ChatModel, ...]:
    try:
        return await catalogue.chat_models()
    except AgentkitError:
        return ()


async def suggest(error: BadRequest, slug: str, catalogue: Catalogue) -> None:
    """To a refusal of a model that the catalogue does not know, add the models that may have been
    meant.
    """
    if (
        error.status not in {400, 404}
        or "model" not in str(error).lower()
        or error.suggested_models
    ):
        return
    meant = await names_meant(slug, catalogue)
    if meant is not None:
        _tell_meant(error, meant)


async def suggest_drawer(error: BadRequest, slug: str, catalogue: Catalogue) -> None:
    """As `suggest`, for the Image API, which has a list of its own."""
    words = str(error).lower()
    if error.status not in {400, 404} or error.suggested_models:
        return
    if "model" not in words and slug.lower() not in words:
        return
    ids = [model.id for model in await catalogue.all_image_models()]
    if ids and await catalogue.image_model(slug) is None:
        _tell_meant(error, _near(slug, ids))


def _tell_meant(error: BadRequest, meant: tuple[str, ...]) -> None:
    error.is_unknown_model = True
    error.suggested_models = meant
    error.args = (f"{error}; {unknown_words(meant)}",)


async def names_meant(slug: str, catalogue: Catalogue) -> tuple[str, ...] | None:
    """The models that may be meant by a name that the catalogue does not have; None where it has
    it, and where there is no catalogue to ask.
    """
    models = await catalogue.all_chat_models()
    if not models or await catalogue.chat_model(slug) is not None:
        return None
    return _near(slug, [model.id for model in models])


def _near(slug: str, ids: Sequence[str]) -> tuple[str, ...]:
    """The names that are like this one."""
    from difflib import get_close_matches  # rarely needed

    near = get_close_matches(slug, ids, 3)
    return tuple(near or [each for each in ids if each.rpartition("/")[2] == slug][:3])


def unknown_words(meant: Sequence[str]) -> str:
    """What is said of a name that the catalogue does not have."""
    if not meant:
        return "the catalogue has no name like it"
    return f"did you mean {' or '.join(meant)}?"


Able = Callable[[ChatModel], bool]


def cannot(model: ChatModel, context: RunContext, run: Run) -> tuple[str, str, Able] | None:
    """What this model cannot do of what the run needs: the setting, in words, and what a model has
    to be able to; or None.
    """
    wants = context.settings.modalities or ()
    if "image" in wants and not model.may_draw:
        return (
            "modalities",
            f"it does not draw; its output is {', '.join(model.outputs)}",
            lambda other: other.draws,
        )
    if context.tools and not model.calls_tools:
        names = ", ".join([*context.tools.functions, *(tool.name for tool in context.tools.server)])
        return (
            "tools",
            f"it cannot call tools, and is given {names}",
            lambda other: other.calls_tools,
        )
    if _prompt(run).images and not model.sees and not _takes_pictures(context):
        return "prompt", "it cannot see pictures, and no tool takes them", lambda other: other.sees
    return None if _takes_files(context) else _cannot_read(model, _prompt(run).files)


def _cannot_read(model: ChatModel, files: Sequence[File]) -> tuple[str, str, Able] | None:
    """The first file of the prompt that this model cannot be given, neither as such nor in
    words.
    """
    for file in files:
        if form_of(file, model.takes_files) is not None:
            continue
        why = f"it takes no files, and {file.file_name!r} ({file.media_type}) cannot go as text"
        if file.is_text:
            why = (
                f"it takes no files, and {file.file_name!r} cannot go as text, since its encoding "
                "is not known: save it as UTF-8"
            )
        return "prompt", why, lambda other: other.takes_files is True
    return None


def _takes_pictures(context: RunContext) -> bool:
    """Whether a tool may take a picture by its handle; of tools that are made for each turn that is
    not known before.
    """
    return bool(context.tools.makers) or any(
        tool.parameters.takes_images for tool in context.tools.functions.values()
    )


def _takes_files(context: RunContext) -> bool:
    """Whether a tool may take a file by its handle, as `_takes_pictures` tells of pictures."""
    return bool(context.tools.makers) or any(
        tool.parameters.takes_files for tool in context.tools.functions.values()
    )


def _prompt(run: Run) -> Message:
    return run.shared_messages[run.start]


def with_modalities(settings: ModelSettings, model: ChatModel) -> ModelSettings:
    """The settings with the modalities that this model gives: one that draws is asked for pictures,
    and for words only if it has them."""
    if not model.draws or not model.outputs:
        return settings
    wanted = settings.modalities
    if wanted is None:
        return replace(
            settings, modalities=("image", "text") if "text" in model.outputs else ("image",)
        )
    fit = tuple(each for each in wanted if each in model.outputs)
    return settings if fit == wanted or not fit else replace(settings, modalities=fit)


def _unsupported(slug: str, parameter: str, words: str, able: Sequence[str]) -> Unsupported:
    rest = f" and {len(able) - _SUGGESTED} more" if len(able) > _SUGGESTED else ""
    hint = f"; these can: {', '.join(able[:_SUGGESTED])}{rest}" if able else ""
    return Unsupported(
        f"Agent(model={slug!r}): {words}{hint}. If the catalogue is wrong, "
        "Agent(checks=False) sends it all the same",
        model=slug,
        parameter=parameter,
        models=tuple(able),
    )


def _counts_money(context: RunContext, run: Run) -> bool:
    return run.limits.cost_usd is not None or context.budget.limits_usd


def _sizes(context: RunContext) -> Sizes:
    return context.services.planner.sizes


def _painter(tool: ServerTool) -> str:
    model = tool.parameters.get("model")
    return model if isinstance(model, str) else DRAWS_BY_DEFAULT


class _Pricing:
    """What a request may cost at worst, as far as the catalogue tells: its prompt, its longest
    reply, one picture of the server tool, and one that the model draws itself (`own`).

    OpenRouter is told what is left (`max_cost`), but it looks at that after each step of a server
    tool, never before the first: so the first picture has to be held here, or any budget could be
    overshot by it, and where it does not fit, the model is asked for words alone.
    """

    def __init__(
        self,
        model: ChatModel,
        picture: float | None,
        own: float | None,
        sizes: Sizes,
        *,
        holds_own: bool = False,
    ) -> None:
        """`holds_own`: a picture of the model's own counts before the request, too."""
        self._model, self._picture, self._own = model, picture, own
        self._sizes, self._holds_own = sizes, holds_own
        self._measured: tuple[Request, Size] | None = None

    def known(self, request: Request) -> float | None:
        """The price of a request; a reply that is not limited has no known price."""
        return self._price(request, self._own if self._holds_own else None, reply_tokens=0)

    def worst(self, request: Request) -> float | None:
        """The same with a reply of usual length where it is not limited, and the model's own
        picture.
        """
        return self._price(request, self._own, reply_tokens=_REPLY_TOKENS)

    def _price(self, request: Request, own: float | None, *, reply_tokens: int) -> float | None:
        model, picture = self._model, self._picture
        now = datetime.now(UTC)
        size = self._size(request)
        tokens = _declared(request) + self._tokens(request, size)
        each = partial(model.highest_price, when=now, tokens=tokens)
        written = write_prices(request.settings, request.audience, request.cache)
        dearest = max(map(each, ("prompt", *written)))
        parts = [dearest * tokens, each("request"), _parsing(request, size)]
        longest = request.max_tokens
        if longest is None:
            longest = min(reply_tokens, model.max_output_tokens or reply_tokens)
        parts.append(each("completion") * longest)
        if not request.closing:
            parts += [usd for usd in (picture, own) if usd is not None]
        return fsum(parts) if model.prices or picture is not None else None

    def _size(self, request: Request) -> Size:
        """How large the messages are: measured once for those of a request and of the one that
        closes the run in their place.
        """
        if self._measured is not None:
            other, size = self._measured
            if other.messages is request.messages and other.shown is request.shown:
                return size
        size = self._sizes.of(Messages.of(request.messages), Views.of(request.shown))
        self._measured = (request, size)
        return size

    def _tokens(self, request: Request, size: Size) -> float:
        """Tokens of the messages, their pictures and files included."""
        pictures = len(size.pictures) if self._model.sees else 0
        tokens = size.tokens + size.beside / _BYTES_A_TOKEN + PICTURE_TOKENS * pictures
        return tokens + sum(map(tokens_of_file, request.files))


def _parsing(request: Request, size: Size) -> float:
    """What reading the PDFs costs, of those that were not read before."""
    if request.pdf_engine != "mistral-ocr":
        return 0.0
    fresh = [file for file in request.files if file.is_pdf and file.file_name not in size.read]
    return OCR_PAGE_USD * sum([pages_of(each) for each in fresh])


def _declared(request: Request) -> float:
    """Tokens of what goes before the messages."""
    size = len(request.instructions.encode("utf-8", "replace"))
    if not request.closing:
        size += sum(len(write(each)) for each in request.server_tools)
    for each in request.functions:
        size += len(each.name) + len(each.description.encode("utf-8", "replace"))
        size += len(write(each.schema))
    if request.output is not None:
        size += len(write(request.output.schema))
    return size / _BYTES_A_TOKEN


def _own_drawing(model: ChatModel, settings: ModelSettings) -> ImageRequest:
    """A picture of a model that draws by itself, as a request to the Image API."""
    config = settings.image_config or {}
    size, ratio = config.get("image_size"), config.get("aspect_ratio")
    return ImageRequest(
        model=model.id,
        prompt="",
        resolution=size if isinstance(size, str) else None,
        aspect_ratio=ratio if isinstance(ratio, str) else None,
    )


def _drawing(tool: ServerTool) -> ImageRequest:
    """The server tool's parameters as a request to the Image API, whose prices hold for it."""

    def text(name: str) -> str | None:
        value = tool.parameters.get(name)
        return value if isinstance(value, str) else None

    return ImageRequest(
        model=_painter(tool),
        prompt="",
        size=text("size"),
        resolution=text("resolution"),
        aspect_ratio=text("aspect_ratio"),
        quality=text("quality"),
        background=text("background"),
        output_format=text("output_format"),
    )
