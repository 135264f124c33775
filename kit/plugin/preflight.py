"""Before anything is collected: whether each backend of a run starts and describes itself.

One that does not would fail every case for the same reason, a minute later, and put that into the files of
earlier runs. Where others do start, the run goes on with those.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import pytest

from tgi_conformance.backends.driver.driver import BackendStartError, Driver
from tgi_conformance.backends.driver.spec import BackendSpec
from tgi_conformance.backends.driver.start_advice import advice_for
from tgi_conformance.plugin.options import BACKEND_DOWN, is_distributed, names_suites
from tgi_conformance.suites.harness.session import STARTED, Settings

_NO_RUN: Final = "no case was run: no backend started and described itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """A backend that did not start or could not describe itself."""

    spec: BackendSpec
    error: BackendStartError

    @property
    def lines(self) -> Iterator[str]:
        """What is wrong and what to do about it, in the words of ``doctor``."""
        first, *rest = str(self.error).splitlines()
        yield self.spec.label
        yield f"  BAD   {first}"
        yield from (f"        {line}" for line in rest)
        yield f"        -> {advice_for(self.error, self.spec)}"


def in_one_line(error: BackendStartError) -> str:
    """What is wrong with a backend that does not start, and which it is."""
    first = next((line for line in error.text.splitlines() if line.strip()), "no reason given")
    return f"the backend did not start ({error.stage}): {first.strip()}"


def with_living(config: pytest.Config, settings: Settings) -> tuple[Settings, tuple[Down, ...]]:
    """Give the settings with the backends that start, and those that do not; with none the session ends.

    A backend is tried where the run was told of one, or is a run of the suites: a user's own tests may need
    none. Where this process runs the cases, it goes on with the process that was started here.
    """
    if config.option.collectonly or not _is_about_backends(config):
        return settings, ()
    started = {spec: _started(spec, settings) for spec in settings.backends}
    down = tuple(Down(spec=spec, error=e) for spec, e in started.items() if isinstance(e, BackendStartError))
    _keep(config, (driver for driver in started.values() if isinstance(driver, Driver)))
    for one in down:
        sys.stderr.write("\n".join((*one.lines, "")))
    living = {spec: driver for spec, driver in started.items() if isinstance(driver, Driver)}
    if not living:
        pytest.exit(_NO_RUN, returncode=BACKEND_DOWN)
    described = {spec.label: driver.description for spec, driver in living.items()}
    return replace(settings, backends=tuple(living), described=described), down


def _is_about_backends(config: pytest.Config) -> bool:
    option = config.option
    return bool(option.tgi_backend or option.tgi_backend_command or names_suites(config.args))


def _started(spec: BackendSpec, settings: Settings) -> Driver | BackendStartError:
    try:
        return Driver.start(spec, inproc=settings.inproc)
    except BackendStartError as error:
        return error


def _keep(config: pytest.Config, drivers: Iterable[Driver]) -> None:
    """Hand the processes to the fixture that asks for them; with workers, which have their own, end them."""
    if is_distributed(config):
        for driver in drivers:
            driver.close()
        return
    ended = contextlib.ExitStack()
    config.stash[STARTED] = {driver.spec: ended.enter_context(driver) for driver in drivers}
    config.add_cleanup(ended.close)
