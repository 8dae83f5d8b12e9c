"""How `make docs` builds the pages and the reference: Sphinx, with the root of the repository as
its source.

The pages are plain Markdown, so that they read well on a code host: what only Sphinx needs is here.
The docstrings of the package are Markdown too, and are turned into reStructuredText on their way
(`docs/docstrings.py`).
"""

from __future__ import annotations

import builtins
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import openai
from docutils import nodes
from sphinx.addnodes import pending_xref

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from docstrings import to_rst  # noqa: E402 - found by the path above

from agentkit import __version__  # noqa: E402
from agentkit.openrouter import client  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# A name that is imported for type checkers alone. If one is unknown, Sphinx takes the whole
# signature of `OpenRouter` as text, and cannot tell the two public `Price` apart.
client.__dict__.setdefault("AsyncOpenAI", openai.AsyncOpenAI)

project = "agentkit"
release = __version__
language = "en"
extensions = ["myst_parser", "sphinx.ext.autodoc"]

root_doc = "README"
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/**"]
exclude_patterns = [".*", "agentkit", "cassettes", "examples", "out", "tests", "docs/*.py"]
CONTENTS = {
    "Guide": (
        "conversations",
        "sessions",
        "pictures",
        "files",
        "image-api",
        "tools",
        "approvals",
        "money",
        "prompt-caching",
        "team-budgets",
        "agents-as-tools",
        "hooks",
        "errors",
        "crashes",
        "several-machines",
        "scaling",
    ),
    "Use": (
        "testing",
        "command-line",
        "terminal",
        "chat-server",
        "chat-page",
        "chat-server-wire",
        "demo-scripts",
        "notebooks",
        "configuration",
        "mcp-server",
        "claude-desktop",
        "claude-code",
        "mcp-tools",
        "frameworks",
        "other-services",
        "networks",
        "logs",
        "storage",
        "limits",
    ),
    "Reference": (
        "reference/index",
        "reference/agentkit",
        "reference/errors",
        "reference/events",
        "reference/hooks",
        "reference/integrations",
        "reference/mcp",
        "reference/dbos",
        "reference/sessions",
        "reference/studio",
        "reference/tools",
        "reference/images",
        "reference/openrouter",
        "reference/emulator",
        "reference/testing",
        "reference/demo",
        "reference/web",
        "reference/cli",
    ),
}
"""The order of the pages of `docs/` in the sidebar."""
PROJECT = ("docs/architecture", "CONTRIBUTING", "CHANGELOG")

myst_heading_anchors = 3
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
toc_object_entries_show_parents = "hide"
autodoc_default_options = {"members": True, "undoc-members": True, "member-order": "bysource"}
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"

html_theme = "furo"
html_title = f"agentkit {release}"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["agentkit.css"]


def contents() -> str:
    """The sidebar, as directives at the end of the first page."""
    parts = [(caption, [f"docs/{page}" for page in pages]) for caption, pages in CONTENTS.items()]
    parts.append(("Project", list(PROJECT)))
    blocks = [
        ["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"]
        for caption, pages in parts
    ]
    return "\n\n".join("\n".join(block) for block in blocks)


def add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    """A directive in the README itself would be in the way of those who read it on a code host."""
    if page == root_doc:
        source[0] = f"{source[0]}\n\n{contents()}\n"


def convert(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    lines[:] = to_rst(lines)


def readable(
    _app: Sphinx,
    _what: str,
    _name: str,
    _object: object,
    _options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """`<factory>`, as dataclasses say it, is no Python, so that Sphinx could not read the
    signature.
    """
    return signature.replace("<factory>", "...") if signature else signature, returns


def unlink_builtins(_app: Sphinx, page: nodes.document) -> None:
    """`bytes` in a signature is the type, whatever attribute of that name there is."""
    for reference in list(page.findall(pending_xref)):
        if reference.get("reftype") == "class" and hasattr(
            builtins, reference.get("reftarget", "")
        ):
            reference.replace_self(nodes.Text(reference["reftarget"]))


def copy_start_page(app: Sphinx, error: Exception | None) -> None:
    """Readers, and web servers, look for index.html."""
    if error is None and app.builder.format == "html":
        shutil.copyfile(app.outdir / f"{root_doc}.html", app.outdir / "index.html")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", convert)
    app.connect("autodoc-process-signature", readable)
    app.connect("doctree-read", unlink_builtins)
    app.connect("build-finished", copy_start_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
