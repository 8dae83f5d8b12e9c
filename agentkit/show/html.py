"""An answer as an HTML fragment: no script, no remote picture, no markup of the model's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agentkit.errors import AgentkitError
from agentkit.show.plain import caption, kilobytes, pixels, visible
from agentkit.values import Image, ImageFailure, Text
from agentkit.values.image_header import RASTER_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from markdown_it.token import Token

_REL = "noopener noreferrer nofollow"
_SHIFT = 2
"""The model's first heading is a page's third."""


def answer(parts: Iterable[Text | Image], failures: Iterable[ImageFailure] = ()) -> str:
    """An answer as one `<div>`; its raster pictures are inside it as `data:` URLs, an SVG is only
    named.
    """
    shown = [prose(part.text) if isinstance(part, Text) else picture(part) for part in parts]
    shown += [
        f'<p class="agentkit-failure">No picture: {text(each.reason)}</p>' for each in failures
    ]
    return f'<div class="agentkit-answer">{"".join(shown)}</div>'


def picture(image: Image) -> str:
    """A picture as a `<figure>` that holds its bytes; one whose bytes are gone, or an SVG, is told
    in words.
    """
    facts = " · ".join(fact for fact in (image.name, pixels(image), kilobytes(image.size)) if fact)
    words = f"<figcaption>{text(caption(image))} <small>{text(facts)}</small></figcaption>"
    if image.media_type not in RASTER_TYPES:
        return (
            f"<figure>{words}<p>{text(image.media_type or 'a link')}: not shown here</p></figure>"
        )
    # Its bytes are gone, or it comes from a saved run that somebody changed.
    try:
        source = image.data_url()
    except AgentkitError as error:
        return f"<figure>{words}<p>{text(str(error))}</p></figure>"
    return (
        f'<figure><img src="{escape(source)}" alt="{text(caption(image))}" '
        f'style="max-width:100%;height:auto">{words}</figure>'
    )


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
