"""``tgi-conformance doctor``: whether an adapter starts, describes itself, and answers healthy calls."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import click

from tgi_conformance.backends.driver.driver import BackendGoneError, BackendStartError, Driver
from tgi_conformance.backends.driver.environment import handed_on
from tgi_conformance.backends.driver.spec import BackendSpec, BackendSpecError, parse_backend
from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.fault import places_said
from tgi_conformance.fake_server.client import FakeServer, FakeServerError
from tgi_conformance.plugin.backends_seen import hidden
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.network import network_in_words
from tgi_conformance.suites.harness.probes import ProbeFailed, Probes
from tgi_conformance.suites.shapes.calls import SHAPES

_MARKS: Final = {"good": ("ok  ", "green"), "bad": ("BAD ", "red"), "note": ("note", "yellow")}
#: Capability -> methods of which one must be there.
_NEEDED: Final = {
    "native": ("generate",),
    "chat": ("chat",),
    "completions": ("completions",),
    "probe": ("test_endpoint",),
    "stats": ("get_stats",),
    "reset": ("reset_stats",),
    "update": ("update_endpoint",),
    "close": ("close", "close_endpoint"),
}
#: What helps when a backend does not start, by the stage it came to.
_HELP: Final = {
    "import": "run `python -c 'import ...'` of that module in the backend's interpreter (--backend-python)",
    "describe": "describe() returns a tgi_conformance.adapter.Description or a mapping with its keys",
}


_BY_HAND: Final = "make this call by hand against `tgi-conformance serve`"
_IN_ADAPTER: Final = "this began in the adapter, not in the backend: look at that line first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing that was looked at; ``help`` says what to do about it."""

    tone: Literal["good", "bad", "note"]
    text: str
    help: str = ""


def examine(
    backends: tuple[str, ...],
    *,
    backend_python: str | None,
    backend_command: str | None,
    backend_env: tuple[str, ...],
    allow_network: bool,
    inproc: bool,
) -> int:
    """Examine each backend and print what was found; returns the exit code (0, 1 or 12)."""
    codes = []
    for adapter in backends:
        try:
            spec = replace(
                parse_backend(adapter, python=backend_python, command=backend_command, folder=Path.cwd()),
                environment=handed_on(backend_env, os.environ),
                allow_network=allow_network,
            )
        except BackendSpecError as error:
            raise click.UsageError(str(error)) from error
        click.secho(spec.label, bold=True)
        codes.append(_examine(spec, inproc=inproc))
    return max(codes)


def _examine(spec: BackendSpec, *, inproc: bool) -> int:
    try:
        driver = Driver.start(spec, inproc=inproc)
    except BackendStartError as error:
        advice = _HELP.get(error.stage, "its output above says why; the command line may be wrong")
        _show(Remark(tone="bad", text=str(error), help=advice))
        return Exit.BACKEND_DOWN
    bad = 0
    with driver:
        for remark in (*_description(driver), *_methods(driver), *_calls(driver), *_network(driver)):
            _show(remark)
            bad += remark.tone == "bad"
    click.echo(f"  {bad} problem{'' if bad == 1 else 's'}")
    return Exit.FAILED if bad else Exit.OK


def _description(driver: Driver) -> Iterator[Remark]:
    about = driver.description
    claimed = [name for name in CAPABILITIES if name in about.capabilities and name != "core"]
    yield Remark(tone="good", text=f"starts and describes itself: {about.name} {about.version}")
    yield Remark(
        tone="good",
        text=f"claims {len(claimed)} of {len(CAPABILITIES) - 1} capabilities: {', '.join(claimed) or 'none'}",
    )
    left = [name for name in CAPABILITIES if name not in about.capabilities]
    if left:
        yield Remark(tone="note", text=f"not claimed, so not judged: {', '.join(left)}")
    if "retry" in about.capabilities and about.retry is None:
        yield Remark(
            tone="note",
            text="claims retry without a policy: only the rules that need no policy apply",
            help="give retry=RetryPolicy(statuses=..., max_retries=..., initial_delay=..., factor=...)",
        )
    if not about.settings:
        yield Remark(
            tone="note",
            text="declares no settings of create_endpoint: cases that need one are not applicable",
            help="settings=frozenset({'max_retries', 'timeout', ...}) lists those that take effect",
        )


def _methods(driver: Driver) -> Iterator[Remark]:
    claimed = driver.description.capabilities
    for capability, methods in _NEEDED.items():
        if capability in claimed and not set(methods) & driver.implemented:
            yield Remark(
                tone="bad",
                text=f"claims {capability} but has no method {' or '.join(methods)}",
                help=f"write the method, or leave {capability!r} out of capabilities",
            )
    if "classify" not in driver.implemented:
        yield Remark(
            tone="note",
            text="has no classify(): every exception is `unmapped`, and clauses about error kinds will fail",
            help="map exceptions to tgi_conformance.adapter.ErrorInfo",
        )
    if names := hidden(driver.implemented, claimed):
        yield Remark(
            tone="note",
            text=f"implemented but not claimed (an error under --profile tgi-guide): {', '.join(names)}",
            help="claim what they are for, or take them out of the adapter",
        )


def _calls(driver: Driver) -> Iterator[Remark]:
    claimed = driver.description.capabilities
    shapes = [shape for shape in SHAPES if shape.capability in claimed]
    if not shapes:
        yield Remark(
            tone="bad",
            text="claims no way to generate",
            help="claim native, chat or completions, and have generate, chat or completions",
        )
        return
    try:
        with FakeServer.start() as server:
            probes = Probes(driver, server)
            for shape in shapes:
                for streaming in (False, True) if "stream" in claimed else (False,):
                    yield _call(probes, shape.name, streaming=streaming)
    except FakeServerError as error:
        yield Remark(tone="bad", text=f"the fake server: {error}", help="this is a fault of the kit")


def _call(probes: Probes, shape: str, *, streaming: bool) -> Remark:
    kind = f"a healthy {shape} {'stream' if streaming else 'call'}"
    try:
        probes.require(next(known for known in SHAPES if known.name == shape), streaming=streaming)
    except ProbeFailed as failure:
        return Remark(
            tone="bad",
            text=f"{kind}: {failure.observed}",
            help=_IN_ADAPTER if places_said(failure.observed) else _BY_HAND,
        )
    return Remark(tone="good", text=f"{kind} is answered")


def _network(driver: Driver) -> Iterator[Remark]:
    """Tell which fence stands, and what was tried beyond it in the calls before."""
    allowed = driver.spec.allow_network
    try:
        attempts = driver.census().outside
    except (BackendGoneError, BackendStartError) as error:
        yield Remark(tone="bad", text=f"the backend's process does not answer: {error}")
        attempts = ()
    fence, *lines = network_in_words(driver.fence, attempts, allowed=allowed)
    yield Remark(tone="note" if driver.fence == "none" else "good", text=fence)
    help_ = "" if allowed else "REAL-01 fails for that; --allow-network lets it through"
    yield from (Remark(tone="note", text=line, help=help_) for line in lines)


def _show(remark: Remark) -> None:
    word, colour = _MARKS[remark.tone]
    first, *rest = remark.text.splitlines() or [""]
    click.echo(f"  {click.style(word, fg=colour)}  {first}")
    for line in rest:
        click.echo(f"        {line}")
    if remark.help:
        click.echo(f"        -> {remark.help}")
