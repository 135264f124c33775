"""``tgi-conformance init``: an adapter to begin with, a baseline, a CI file, and what ``doctor`` says."""

import contextlib
from pathlib import Path
from typing import Final

import click

from tgi_conformance import __version__
from tgi_conformance.cli.doctor import examine
from tgi_conformance.cli.init.choosing import ChoiceError, Chosen, Ci, Kind, choose, choose_ci
from tgi_conformance.cli.init.looking import Found, LookingError, javascript_source, look, python_sources
from tgi_conformance.cli.init.rendering import (
    JAVASCRIPT_COMMAND,
    PYTHON_ADAPTER,
    CiPlan,
    NewFile,
    render,
    run_command,
)
from tgi_conformance.cli.init.surface import Surface, javascript_surface_of, surface_of
from tgi_conformance.cli.init.writing import Fate, write_new
from tgi_conformance.reports.gate import Exit

_FATES: Final[dict[Fate, tuple[str, str]]] = {
    "written": ("wrote", "green"),
    "same": ("there", "yellow"),
    "kept": ("kept ", "yellow"),
}


def init(folder: str, *, kind: Kind | None, client: str | None, ci: Ci | None) -> int:
    """Write what is missing and run ``doctor``; returns its exit code, or 4 where nothing could be chosen."""
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        found = look(place)
        chosen = choose(found, kind=kind, client=client)
        click.echo(f"adapter for {chosen.name}, {chosen.kind} ({chosen.because})")
        plan = ci_plan(found, chosen, ci)
        for written in write_new(place, render(chosen, surface_at(place, chosen), plan)):
            _show(written.file, written.fate)
    except (ChoiceError, LookingError, OSError) as problem:
        click.echo(f"init: {problem}", err=True)
        return Exit.USAGE
    return _doctor(place, chosen)


def surface_at(folder: Path, chosen: Chosen) -> Surface:
    """What the client's source says, where the adapter depends on it and the source is there."""
    if chosen.kind == "native":
        return surface_of(python_sources(folder, chosen.module))
    if chosen.kind == "javascript" and chosen.module.startswith("./"):
        return javascript_surface_of(javascript_source(folder, chosen.module))
    return Surface()


def ci_plan(found: Found, chosen: Chosen, ci: Ci | None) -> CiPlan:
    """What the CI file says: for which CI, and how client and kit are installed."""
    taken, because = choose_ci(found) if ci is None else (ci, "given with --ci")
    click.echo(f"CI file for {taken} ({because})")
    return CiPlan(
        ci=taken,
        install=_install(found, chosen),
        requirement=f"tgi-conformance=={__version__}",
        # one that runs the kit is what an earlier init wrote
        has_pipeline=bool(found.pipeline) and "tgi-conformance" not in found.pipeline,
    )


def _install(found: Found, chosen: Chosen) -> tuple[str, ...]:
    if chosen.kind == "javascript":
        return ("npm ci" if "package-lock.json" in found.files else "npm install",)
    if {"pyproject.toml", "setup.py"} & found.files:
        return ("pip install .",)
    if "requirements.txt" in found.files:
        return ("pip install -r requirements.txt",)
    return () if chosen.module in found.own else (f"pip install {chosen.name}",)


def _show(file: NewFile, fate: Fate) -> None:
    word, colour = _FATES[fate]
    said = {
        "written": file.what,
        "same": "has this text already",
        "kept": "stands there with another text; not touched",
    }
    click.echo(f"  {click.style(word, fg=colour)}  {file.path}: {said[fate]}")
    if file.then and fate == "written":
        click.echo(f"         -> {file.then}")


def _doctor(folder: Path, chosen: Chosen) -> int:
    """Run ``doctor`` from the folder, as its reader will, and say what comes next."""
    node = chosen.kind == "javascript"
    with contextlib.chdir(folder):
        code = examine(
            ("" if node else PYTHON_ADAPTER,),
            backend_python=None,
            backend_command=JAVASCRIPT_COMMAND if node else None,
            backend_env=(),
            allow_network=False,
            inproc=False,
        )
    doctor = run_command(chosen).replace("run", "doctor", 1)
    ready = f"{run_command(chosen)} --profile quick"
    repair = f"correct the adapter until this finds no problem: {doctor}"
    where = "" if folder.resolve() == Path.cwd() else f" (in {folder})"
    click.echo(f"next{where}: {ready if code == Exit.OK else repair}")
    return code
