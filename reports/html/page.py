"""The report page: one file that loads nothing, and can be read without scripts, on paper, and by ear."""

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from tgi_conformance.contracts.journal import reply_label
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.reports.gate import Gate
from tgi_conformance.reports.html.inline_markdown import inline_markdown, link
from tgi_conformance.reports.html.view import EXPLAINED, PROBLEMS, page
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.readable import clip, pretty_json, visible
from tgi_conformance.reports.results_map import ResultsMap
from tgi_conformance.reports.ruling_marks import MARKS
from tgi_conformance.reports.run import Run

_TEMPLATE: Final = "report.html"


def render_html(run: Run, maps: Sequence[ResultsMap], gate: Gate, layout: Layout) -> str:
    """The page of a run; evidence of what went wrong is read from the folder of ``layout`` into it."""
    script = _read("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            page=page(run, maps, gate, layout),
            style=Markup(_read("report.css")),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            script_digest=digest,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_read),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.globals |= {"marks": MARKS, "problems": PROBLEMS, "explained": EXPLAINED, "link": link}
    environment.filters |= {
        "inline_markdown": inline_markdown,
        "clip": clip,
        "pretty_json": _pretty,
        "reply_label": reply_label,
        "path": lambda name: quote(name, safe="/"),
        "wrap_words": lambda name: Markup("_<wbr>").join(name.split("_")),
    }
    return environment


def _shown(value: object) -> object:
    """Make control characters visible wherever a text goes into the page."""
    return visible(value) if type(value) is str else value


def _pretty(value: JSON) -> object:
    return pretty_json(value)


def _read(name: str) -> str:
    return (
        resources.files("tgi_conformance.reports.html")
        .joinpath("templates", name)
        .read_text(encoding="utf-8")
    )
