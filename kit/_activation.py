"""Brings the plugin to life in a pytest process: settings, then the hooks, then the suites' fixtures."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import pytest

from tgi_conformance import _cases
from tgi_conformance._cases import Cases
from tgi_conformance._collected import Collected
from tgi_conformance._collection import SUITES, Collection
from tgi_conformance._cpu_time import WorkerTime
from tgi_conformance._gathering import Gathering
from tgi_conformance._settings import build_settings, settings_from_text, settings_to_text
from tgi_conformance._summary import Summary
from tgi_conformance.suites._session import SETTINGS

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
        config.stash[SETTINGS] = build_settings(config)
        scratch = _new_scratch(given.get("testrunuid", ""))
    config.stash[SCRATCH] = scratch
    cases = Cases(config, scratch)
    manager = config.pluginmanager
    manager.register(cases, "tgi-cases")
    manager.register(_cases, "tgi-status")
    if hasattr(config, "workerinput"):
        worker = str(given["workerid"])
        manager.register(WorkerTime(scratch, worker), "tgi-cpu-time")
        tell = _Worker(scratch, worker, cases).tell
    else:
        gathering = Gathering(config, scratch, cases)
        manager.register(gathering, "tgi-gathering")
        manager.register(Summary(config), "tgi-summary")
        tell = gathering.begin
    manager.register(Collection(config, tell), "tgi-collection")
    manager.import_plugin(f"{SUITES}._fixtures")


def activate_late(config: pytest.Config, report: pytest.TestReport) -> None:
    """Activate in a controller that learns of the first case by its report, and take that report."""
    activate(config)
    shutil.rmtree(config.stash[SCRATCH], ignore_errors=True)
    gathering = cast("Gathering", config.pluginmanager.get_plugin("tgi-gathering"))
    scratch = _new_scratch(str(getattr(report, "testrun_uid", "")))
    gathering.begin_late(scratch)
    gathering.pytest_runtest_logreport(report)


def _new_scratch(run: str) -> Path:
    """Make the folder that the processes of one run share; ``run`` is xdist's random id of it, if known."""
    if not run:
        return Path(tempfile.mkdtemp(prefix="tgi-conformance-"))
    scratch = Path(tempfile.gettempdir()) / f"tgi-conformance-{run}"
    scratch.mkdir(mode=0o700, exist_ok=True)
    return scratch


def send_to_worker(config: pytest.Config, given: dict[str, object]) -> None:
    """Put into a worker's input what it must know."""
    given[_SETTINGS_KEY] = settings_to_text(config.stash[SETTINGS])
    given[_SCRATCH_KEY] = str(config.stash[SCRATCH])


@dataclass(frozen=True, slots=True)
class _Worker:
    """A worker's part at the end of collection."""

    scratch: Path
    name: str
    cases: Cases

    def tell(self, collected: Collected) -> None:
        """Tell the controller what was collected."""
        self.cases.narrowed = collected.narrowed
        collected.write(self.scratch, self.name)
