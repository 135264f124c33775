"""The documentation as one site: ``tox -e docs``. Sphinx reads the Markdown files where they are, with MyST.

The source folder is the root of the repository, since pages link to README and its neighbours.
"""

import re
from collections.abc import Iterable
from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

project = "tgi-conformance"
author = "The authors of tgi-conformance"
release = version = version_of("tgi-conformance")

extensions = ["myst_parser"]
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/field-notes/*.md",
    "docs/field-notes/drafts/*.md",
    "docs/examples/backend-repository/README.md",
]
root_doc = "docs/README"
#: docs/README.md is the table of contents, as it is in the repository.
suppress_warnings = ["toc.not_included"]
#: Headings that links may name, as on GitHub.
myst_heading_anchors = 4

html_theme = "alabaster"
html_title = "tgi-conformance"
html_show_sourcelink = False

_LINK = re.compile(r"\]\((?P<page>[^)#]+)\.md\)")
#: Pages below which the sidebar has all pages of the folder of that name; a new page needs no entry.
_WITH_FOLDER = ("docs/field-notes",)
_TO_THE_START = """<!doctype html>
<meta http-equiv="refresh" content="0; url={page}.html">
<a href="{page}.html">{title}</a>
"""


def _add_navigation(app: Sphinx, page: str, text: list[str]) -> None:
    """Let the sidebar have the pages of the table of contents, in its order, and those of folders."""
    if page == root_doc:
        _add_hidden(text, dict.fromkeys(found["page"] for found in _LINK.finditer(text[0])))
    elif page in _WITH_FOLDER:
        below = [name for name in app.env.found_docs if name.startswith(f"{page}/")]
        _add_hidden(text, (f"/{name}" for name in sorted(below, key=lambda name: (name.count("/"), name))))


def _add_hidden(text: list[str], entries: Iterable[str]) -> None:
    text[0] += "\n".join(("", "```{toctree}", ":hidden:", "", *entries, "```", ""))


def _lead_to_the_start(app: Sphinx, problem: Exception | None) -> None:
    """The site begins with ``index.html``, as web servers expect."""
    if problem is None:
        text = _TO_THE_START.format(page=root_doc, title=html_title)
        Path(app.outdir, "index.html").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _lead_to_the_start)
