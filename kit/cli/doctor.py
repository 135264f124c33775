"""``tgi-conformance doctor``: whether an adapter starts, describes itself, and does what it claims."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from tgi_conformance.backends.driver.driver import BackendGoneError, BackendStartError, Driver
from tgi_conformance.backends.driver.environment import handed_on
from tgi_conformance.backends.driver.spec import BackendSpec, BackendSpecError, parse_backend
from tgi_conformance.backends.driver.start_advice import advice_for
from tgi_conformance.cli.doctor_calls import endpoints_remarks, error_remarks, image_remarks, tool_remarks
from tgi_conformance.cli.doctor_description import description_remarks
from tgi_conformance.cli.doctor_signatures import help_for_call
from tgi_conformance.cli.remark import Remark
from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.fake_server.client import FakeServer, FakeServerError
from tgi_conformance.plugin.backends_seen import hidden
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.network import network_in_words
from tgi_conformance.reports.readable import visible
from tgi_conformance.suites.harness.probes import ProbeFailed, Probes
from tgi_conformance.suites.shapes.calls import SHAPES, Shape

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
        _show(Remark(tone="bad", text=str(error), help=advice_for(error, spec)))
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
            help='declare it: "retry": {"statuses": [429, …], "max_retries": …, "initial_delay": …, …}',
        )
    if not about.settings:
        yield Remark(
            tone="note",
            text="declares no settings of create_endpoint: cases that need one are not applicable",
            help='list those that take effect: "settings": ["max_retries", "timeout", …]',
        )
    yield from description_remarks(about)


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
            help='add classify(self, error), which returns {"kind": …, "status": …, "message": …}',
        )
    if names := hidden(driver.implemented, claimed):
        yield Remark(
            tone="note",
            text=f"implemented but not claimed (an error under --profile tgi-guide): {', '.join(names)}",
            help="claim what they are for, or take them out of the adapter",
        )


def _calls(driver: Driver) -> Iterator[Remark]:
    claimed = driver.description.capabilities
    shapes = [shape for shape in SHAPES if shape.capability in claimed and shape.method in driver.implemented]
    if not any(shape.capability in claimed for shape in SHAPES):
        yield Remark(
            tone="bad",
            text="claims no way to generate",
            help="claim native, chat or completions, and have generate, chat or completions",
        )
        return
    try:
        with FakeServer.start() as server:
            probes = Probes(driver, server)
            yield from endpoints_remarks(driver, server)
            for shape in shapes:
                for streaming in (False, True) if "stream" in claimed else (False,):
                    yield _call(probes, shape, streaming=streaming)
            working = [shape for shape in shapes if probes.works(shape, streaming=False)]
            yield from error_remarks(driver, server, working)
            yield from image_remarks(driver, server, working)
            yield from tool_remarks(driver, server, working)
    except FakeServerError as error:
        yield Remark(tone="bad", text=f"the fake server: {error}", help="this is a fault of the kit")


def _call(probes: Probes, shape: Shape, *, streaming: bool) -> Remark:
    kind = f"a healthy {shape.name} {'stream' if streaming else 'call'}"
    try:
        probes.require(shape, streaming=streaming)
    except ProbeFailed as failure:
        observed = failure.observed
        return Remark(tone="bad", text=f"{kind}: {observed}", help=help_for_call(shape.method, observed))
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
    first, *rest = visible(remark.text).splitlines() or [""]
    click.echo(f"  {click.style(word, fg=colour)}  {first}")
    for line in rest:
        click.echo(f"        {line}")
    if remark.help:
        click.echo(f"        -> {visible(remark.help)}")
