"""The files that ``init`` writes, from what was chosen: their places and their texts."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final, cast

from jinja2 import Environment, FunctionLoader, StrictUndefined

from tgi_conformance.cli.init.choosing import Chosen, Ci
from tgi_conformance.cli.init.javascript_adapter import javascript_values
from tgi_conformance.cli.init.looking import PIPELINE
from tgi_conformance.cli.init.python_adapter import openai_values, python_values
from tgi_conformance.cli.init.surface import Surface
from tgi_conformance.reports.baseline.entry import FILE
from tgi_conformance.reports.baseline.writing import HEADING, claims_text

#: Where an adapter stands, and how it is named to the kit.
PYTHON_FILE: Final = "conformance_adapter.py"
PYTHON_ADAPTER: Final = "conformance_adapter:Adapter"
JAVASCRIPT_FOLDER: Final = "conformance"
JAVASCRIPT_COMMAND: Final = f"node {JAVASCRIPT_FOLDER}/adapter.mjs"
#: The kit's side of a host in JavaScript: files of ``backends/host/node``.
HOST_FILES: Final = ("host.mjs", "fence.mjs", "frames.mjs")
#: Characters of a list that stands on one line.
_SHORT_LIST: Final = 80
_GITLAB_PART: Final = ".gitlab/conformance.yml"
_GITHUB: Final = ".github/workflows/conformance.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to write; ``path`` is relative to the folder, with ``/``."""

    path: str
    text: str
    #: What it is, in words; and what its reader has to do for it, if anything.
    what: str
    then: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CiPlan:
    """What the CI file says."""

    ci: Ci
    #: Commands that install the client.
    install: Sequence[str]
    #: How the kit itself is asked for, such as ``tgi-conformance==0.1.0``.
    requirement: str
    #: Whether a pipeline of GitLab is there already, which is then included into.
    has_pipeline: bool = False


def render(chosen: Chosen, surface: Surface, plan: CiPlan) -> tuple[NewFile, ...]:
    """All files, the adapter first."""
    values = _values(chosen, surface)
    return (*_adapter(chosen, values), _baseline(chosen, values), ci_file(chosen, plan))


def run_command(chosen: Chosen) -> str:
    """The command that judges the client."""
    if chosen.kind == "javascript":
        return f'tgi-conformance run --backend-command "{JAVASCRIPT_COMMAND}"'
    return f"tgi-conformance run --backend {PYTHON_ADAPTER}"


def ci_file(chosen: Chosen, plan: CiPlan) -> NewFile:
    """The file that runs the kit in CI."""
    values = {
        "javascript": chosen.kind == "javascript",
        "install": plan.install,
        "requirement": plan.requirement,
        "run": run_command(chosen),
    }
    if plan.ci == "github":
        return NewFile(
            path=_GITHUB, text=_filled("github.yml.jinja", **values), what="the workflow for GitHub Actions"
        )
    included = _GITLAB_PART if plan.has_pipeline else ""
    return NewFile(
        path=included or PIPELINE,
        text=_filled("gitlab.yml.jinja", **values, included=included),
        what="the job for GitLab",
        then=f"add it to {PIPELINE} under `include:`; its head says how" if included else "",
    )


def _values(chosen: Chosen, surface: Surface) -> dict[str, object]:
    if chosen.kind == "javascript":
        return javascript_values(surface, chosen.module)
    return openai_values() if chosen.kind == "openai" else python_values(surface, chosen.module)


def _baseline(chosen: Chosen, values: dict[str, object]) -> NewFile:
    """Written as ``baseline update`` writes it, which then has nothing to change in it."""
    claims = ("core", *cast("Sequence[str]", values["capabilities"]))
    text = f"{HEADING}\n{claims_text({chosen.name: claims})}"
    return NewFile(path=FILE, text=text, what="the baseline, without an entry")


def _adapter(chosen: Chosen, values: dict[str, object]) -> Iterator[NewFile]:
    what = "the adapter: read it, and correct what is the client's to say"
    about = {
        "name": chosen.name,
        "module": chosen.module,
        "adapter": PYTHON_ADAPTER,
        "command": JAVASCRIPT_COMMAND,
    }
    if chosen.kind != "javascript":
        yield NewFile(path=PYTHON_FILE, text=_filled(f"{chosen.kind}.py.jinja", **about, **values), what=what)
        return
    text = _filled("javascript.mjs.jinja", **about, **values)
    yield NewFile(path=f"{JAVASCRIPT_FOLDER}/adapter.mjs", text=text, what=what)
    for name in HOST_FILES:
        yield NewFile(path=f"{JAVASCRIPT_FOLDER}/{name}", text=_host_file(name), what="the kit's host")


def _filled(template: str, **values: object) -> str:
    environment = Environment(  # noqa: S701 - source code and YAML, no page
        loader=FunctionLoader(_template),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    environment.filters["quoted"] = _quoted
    environment.filters["listed"] = _listed
    return environment.get_template(template).render(**values)


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(map(json.dumps, words))


def _listed(words: Sequence[str]) -> str:
    """A list in a mapping of a method; where it is long, on lines of its own."""
    text = _quoted(words)
    if len(text) <= _SHORT_LIST:
        return f"[{text}]"
    inner = textwrap.fill(text, 110, initial_indent=" " * 20, subsequent_indent=" " * 20)
    return f"[\n{inner},\n{' ' * 16}]"


def _host_file(name: str) -> str:
    folder = resources.files("tgi_conformance.backends.host") / "node"
    return folder.joinpath(name).read_text(encoding="utf-8")


def _template(name: str) -> str:
    folder = resources.files("tgi_conformance.cli.init") / "templates"
    return folder.joinpath(name).read_text(encoding="utf-8")
