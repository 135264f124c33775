"""What every page is made with: its templates escape all that goes in, and its policy names its own style."""

import base64
import hashlib
from collections.abc import Callable
from importlib import resources
from urllib.parse import quote

from jinja2 import Environment, FunctionLoader, StrictUndefined

from tgi_conformance.reports.html.inline_markdown import inline_code
from tgi_conformance.reports.readable import clip, visible
from tgi_conformance.reports.ruling_marks import MARKS


def page_environment(read: Callable[[str], str]) -> Environment:
    """Templates by name. What goes into a page is escaped, and its control characters are made visible."""
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(read),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.globals |= {"marks": MARKS}
    environment.filters |= {
        "inline_code": inline_code,
        "clip": clip,
        "path": lambda name: quote(name, safe="/"),
    }
    return environment


def page_file(package: str, name: str) -> str:
    """The text of a file in the folder ``templates`` of a package."""
    return resources.files(package).joinpath("templates", name).read_text(encoding="utf-8")


def digest_of(text: str) -> str:
    """The digest by which a page's policy lets a style or a script of its own pass."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _shown(value: object) -> object:
    """Make control characters visible wherever a text goes into the page."""
    return visible(value) if type(value) is str else value
