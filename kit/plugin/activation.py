"""Brings the plugin to life in a pytest process: settings, then the hooks, then the suites' fixtures."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import pytest

from tgi_conformance import late_imports
from tgi_conformance.plugin.backends_seen import note_down
from tgi_conformance.plugin.collected import Collected
from tgi_conformance.plugin.collection import DIST_KEY, Collection
from tgi_conformance.plugin.cpu_time import WorkerTime
from tgi_conformance.plugin.ending.sigterm import EndsBySigterm
from tgi_conformance.plugin.options import asks_for_real, is_distributed
from tgi_conformance.plugin.preflight import in_one_line, with_living
from tgi_conformance.plugin.settings import build_settings, settings_from_text, settings_to_text
from tgi_conformance.plugin.shards.refusals import refuse
from tgi_conformance.suites.harness.session import SETTINGS

if TYPE_CHECKING:
    from tgi_conformance.plugin.cases import Cases
    from tgi_conformance.plugin.gathering import Gathering

#: Keys of xdist's ``workerinput``.
_SETTINGS_KEY: Final = "tgi_settings"
_SCRATCH_KEY: Final = "tgi_scratch"
SCRATCH: Final = pytest.StashKey[Path]()


def activate(config: pytest.Config) -> None:
    """Register all hooks; does nothing the second time. Raises ``pytest.UsageError`` for bad options."""
    if SETTINGS in config.stash:
        return
    given: dict[str, str] = getattr(config, "workerinput", {})
    if _SETTINGS_KEY in given:
        config.stash[SETTINGS] = settings_from_text(given[_SETTINGS_KEY])
        scratch = Path(given[_SCRATCH_KEY])
    else:
        settings = build_settings(config)
        real = asks_for_real(config, os.environ)
        refuse(config, real=real)
        if not hasattr(config, "workerinput"):
            import_module(late_imports.GATE).read_gate(config, settings)
        if real:
            settings = import_module(late_imports.REAL_RUN).with_real_endpoints(config, settings)
        config.stash[SETTINGS], down = with_living(config, settings)
        scratch = _new_scratch(given.get("testrunuid", ""))
        for one in down:
            note_down(scratch, one.spec.label, in_one_line(one.error))
    config.stash[SCRATCH] = scratch
    if hasattr(config, "workerinput"):
        cases = _play(config, scratch)
        worker = str(given["workerid"])
        config.pluginmanager.register(EndsBySigterm(scratch, worker), "tgi-sigterm")
        config.pluginmanager.register(WorkerTime(scratch, worker), "tgi-cpu-time")
        tell = _Worker(scratch, worker, cases).tell
    else:
        plays = config.option.collectonly or not is_distributed(config)
        told = _play(config, scratch).told if plays else _nobody
        tell = import_module(late_imports.CONTROLLER).control(config, scratch, told)
    config.pluginmanager.register(Collection(config, scratch, tell), "tgi-collection")


def _play(config: pytest.Config, scratch: Path) -> "Cases":
    return cast("Cases", import_module(late_imports.PLAYER).play(config, scratch))


def _nobody(_: Collected) -> None:
    """Who is to learn what was collected where no case is run."""


def activate_late(config: pytest.Config, report: pytest.TestReport) -> None:
    """Activate in a controller that learns of the first case by its report, and take that report."""
    try:
        activate(config)
    except pytest.UsageError as problem:
        pytest.exit(str(problem), returncode=pytest.ExitCode.USAGE_ERROR)
    shutil.rmtree(config.stash[SCRATCH], ignore_errors=True)
    gathering = cast("Gathering", config.pluginmanager.get_plugin("tgi-gathering"))
    scratch = _new_scratch(str(getattr(report, "testrun_uid", "")))
    gathering.begin_late(scratch)
    gathering.pytest_runtest_logreport(report)


def _new_scratch(run: str) -> Path:
    """Make the folder that the processes of one run share; ``run`` is xdist's random id of it, if known."""
    try:
        if not run:
            return Path(tempfile.mkdtemp(prefix="tgi-conformance-"))
        scratch = Path(tempfile.gettempdir()) / f"tgi-conformance-{run}"
        scratch.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(f"no folder for temporary files can be made: {error}; set TMPDIR") from error
    return scratch


def send_to_worker(config: pytest.Config, given: dict[str, object]) -> None:
    """Put into a worker's input what it must know."""
    given[_SETTINGS_KEY] = settings_to_text(config.stash[SETTINGS])
    given[_SCRATCH_KEY] = str(config.stash[SCRATCH])
    given[DIST_KEY] = config.option.dist


@dataclass(frozen=True, slots=True)
class _Worker:
    """A worker's part at the end of collection."""

    scratch: Path
    name: str
    cases: "Cases"

    def tell(self, collected: Collected) -> None:
        """Tell the controller what was collected."""
        self.cases.told(collected)
        collected.write(self.scratch, self.name)
