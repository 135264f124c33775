"""The options of a run that make its cases what they are: what a report repeats to run one of them again."""

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Final

import pytest

from tgi_conformance.backends.driver.spec import BackendSpec
from tgi_conformance.plugin.options import destination
from tgi_conformance.reports.run import Option
from tgi_conformance.suites.harness.session import Settings

#: Options of the run that change its cases. The report knows profile, network and seed without them.
_OF_THE_RUN: Final = (
    "--tgi-backend-env",
    "--tgi-server",
    "--tgi-enforce",
    "--tgi-deadline",
    "--tgi-inproc",
)
#: Options that say what makes the run fail; they change no case.
_OF_THE_GATE: Final = (
    "--tgi-baseline",
    "--tgi-level",
    "--tgi-fail-on",
    "--tgi-against",
    "--tgi-floor",
)
_VERSIONED: Final = ("tgi-conformance", "pytest", "pytest-xdist", "hypothesis")
#: Options of a real endpoint. Its further headers are secrets, and the budget bounds the whole run.
_OF_THE_ENDPOINT: Final = ("--tgi-any-server", "--tgi-cacert", "--tgi-wait-ready")


def versions_here() -> Mapping[str, str]:
    """The versions of what plays and judges the cases, by name."""
    here = {name.replace("-", "_"): version(name) for name in _VERSIONED}
    return here | {"python": platform.python_version()}


def of_the_run(config: pytest.Config) -> tuple[Option, ...]:
    """The options that hold for every case, as they were given."""
    return tuple(_given(config, _OF_THE_RUN))


def of_the_gate(config: pytest.Config) -> tuple[Option, ...]:
    """The options that say what makes the run fail, but for ``--tgi-enforce``, which holds for every case."""
    return tuple(_given(config, _OF_THE_GATE))


def of_the_endpoint(config: pytest.Config, url: str) -> tuple[Option, ...]:
    """The options by which a forwarded case reaches its real endpoint."""
    return (("--tgi-endpoint", url), *_given(config, _OF_THE_ENDPOINT))


def of_the_backend(spec: BackendSpec, settings: Settings) -> tuple[Option, ...]:
    """The options that name one backend of the run, and what runs it."""
    return tuple(_naming(spec, inproc=settings.inproc))


def _naming(spec: BackendSpec, *, inproc: bool) -> Iterator[Option]:
    if adapter := spec.given or spec.adapter:
        yield "--tgi-backend", adapter
    if spec.command:
        yield "--tgi-backend-command", spec.command_line
    elif spec.foreign and not inproc:
        yield "--tgi-backend-python", spec.python


def _given(config: pytest.Config, flags: tuple[str, ...]) -> Iterator[Option]:
    for flag in flags:
        value = getattr(config.option, destination(flag), None)
        if value is True:
            yield flag, ""
        elif isinstance(value, list):
            yield from ((flag, str(each)) for each in value)
        elif value is not None and value is not False:
            yield flag, str(value)
