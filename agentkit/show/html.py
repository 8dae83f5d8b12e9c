"""An answer as an HTML fragment: no script, no remote picture, no markup of the model's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from agentkit._visible import visible
from agentkit.errors import AgentkitError
from agentkit.run.lines import of_file
from agentkit.show.plain import caption, dollars, failed, kilobytes, line, pixels
from agentkit.values import (
    File,
    Image,
    ImageFailure,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from agentkit.values.image_display import data_url, figure
from agentkit.values.image_header import RASTER_TYPES

if TYPE_CHECKING:
    from markdown_it.token import Token

_REL = "noopener noreferrer nofollow"
_SHIFT = 2
"""The model's first heading is a page's third."""


def answer(
    parts: Iterable[Text | Image],
    failures: Iterable[ImageFailure] = (),
    *,
    files: Iterable[File] = (),
    source: Callable[[Image], str] = Image.data_url,
) -> str:
    """An answer as one `<div>`. `source` gives the URL of a raster picture, by default a `data:`
    URL of all its bytes; an SVG and `files` are only named.
    """
    shown = [
        prose(part.text) if isinstance(part, Text) else picture(part, source) for part in parts
    ]
    shown += [f'<p class="agentkit-file">{text(of_file(each))}</p>' for each in files]
    shown += [f'<p class="agentkit-failure">{text(failed(each))}</p>' for each in failures]
    return f'<div class="agentkit-answer">{"".join(shown)}</div>'


def picture(image: Image, source: Callable[[Image], str] = Image.data_url) -> str:
    """A picture as a `<figure>`; one whose bytes are gone, or an SVG, is told in words."""
    price = "" if image.cost_usd is None else dollars(image.cost_usd)
    facts = [fact for fact in (image.name, pixels(image), kilobytes(image.size), price) if fact]
    words = f"<figcaption>{text(caption(image))} <small>{text(' · '.join(facts))}</small>"
    words += "</figcaption>"
    if image.media_type not in RASTER_TYPES:
        return (
            f"<figure>{words}<p>{text(image.media_type or 'a link')}: not shown here</p></figure>"
        )
    # Its bytes are gone, or it comes from a saved run that somebody changed.
    try:
        return figure(source(image), caption(image), facts)
    except AgentkitError as error:
        return f"<figure>{words}<p>{text(str(error))}</p></figure>"


def linked(folder: str) -> Callable[[Image], str]:
    """The source of pictures that lie in a folder beside the page, as `Answer.save` puts them."""
    return lambda image: f"{quote(folder, safe='/.', errors='replace')}/{quote(image.file_name)}"


def messages(told: Iterable[Message], images: Iterable[Image] = ()) -> str:
    """A conversation for a notebook: who said what, with the pictures, small ones, in place.
    `images` are those of the messages as they are known now.
    """
    known = {image.sha256: image for image in images}
    blocks: list[str] = []
    for message in told:
        inner: list[str] = []
        for part in message.parts:
            inner += _part(part, known)
        if inner:
            blocks.append(f"<dt><b>{text(message.role)}</b></dt><dd>{''.join(inner)}</dd>")
    return f'<dl class="agentkit-conversation">{"".join(blocks)}</dl>'


def _part(part: Part, known: Mapping[str, Image]) -> list[str]:
    match part:
        case Text():
            return [prose(part.text)] if part.text else []
        case Image():
            return [picture(known.get(part.sha256, part), data_url)]
        case File():
            return [f"<p>{text(of_file(part))}</p>"]
        case ImageFailure():
            return [f"<p>{text(failed(part))}</p>"]
        case ToolCall():
            return [f"<p><code>{text(part.name)}({text(part.arguments)})</code></p>"]
        case ToolResult():
            pictures = [each for each in part.parts if isinstance(each, Image)]
            shown = [picture(known.get(each.sha256, each), data_url) for each in pictures]
            files = [
                f"<p>{text(of_file(each))}</p>" for each in part.parts if isinstance(each, File)
            ]
            return [f"<p><code>{text(line(part.text))}</code></p>", *shown, *files]
        case Reasoning():
            return []


def text(words: str) -> str:
    """Plain words for a page, in an element or in a quoted attribute."""
    return escape(visible(words))


def prose(words: str) -> str:
    """The model's Markdown as HTML. Pictures become links; links lead to http, https and mailto
    alone.

    Without markdown-it-py: escaped paragraphs.
    """
    try:
        render = _renderer()
    except ImportError:
        return "".join(f"<p>{text(each)}</p>" for each in words.split("\n\n") if each.strip())
    return render(visible(words))


def is_followed(url: str) -> bool:
    """Whether a link of the model's may lead there."""
    try:
        return urlsplit(url).scheme.lower() in {"http", "https", "mailto"}
    except ValueError:  # such as a broken IPv6 address
        return False


@cache
def _renderer() -> Callable[[str], str]:
    from markdown_it import MarkdownIt

    class Markdown(MarkdownIt):
        def validateLink(self, url: str) -> bool:  # noqa: N802 - the name that markdown-it calls
            return is_followed(url)

    markdown = Markdown("commonmark", {"html": False}).enable(["table", "strikethrough"])
    markdown.add_render_rule("link_open", _link)
    markdown.add_render_rule("image", _picture_as_link)
    markdown.add_render_rule("heading_open", _heading)
    markdown.add_render_rule("heading_close", _heading)
    return lambda words: str(markdown.render(words))


def _link(_renderer: object, tokens: Sequence[Token], index: int, *_: Any) -> str:
    return f'<a href="{escape(str(tokens[index].attrs.get("href", "")))}" rel="{_REL}">'


def _picture_as_link(_renderer: object, tokens: Sequence[Token], index: int, *_: Any) -> str:
    token = tokens[index]
    url = str(token.attrs.get("src", ""))
    words = escape(token.content or url)
    depth = sum(each.nesting for each in tokens[:index] if each.type in {"link_open", "link_close"})
    return words if depth else f'<a href="{escape(url)}" rel="{_REL}">{words}</a>'


def _heading(_renderer: object, tokens: Sequence[Token], index: int, *_: Any) -> str:
    token = tokens[index]
    level = min(int(token.tag[1:]) + _SHIFT, 6)
    return f"<h{level}>" if token.nesting == 1 else f"</h{level}>\n"
