"""Cases that mostly wait, started before their turn in a thread beside the run.

A Retry-After is whole seconds, and while one worker waits for it and the other does too, the machine stands
still. So the cases marked ``ahead`` of a worker's share are played one after the other in a thread, on a
backend process of their own; at their turn only the outcome is taken over. Their turn is put behind the first
half of the share (:mod:`tgi_conformance.plugin.collection`). A case that is not begun when its turn
comes, as when another worker took it over, is played as any other.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from inspect import signature
from pathlib import Path
from typing import Final, TypeGuard, cast

import pytest

from tgi_conformance.backends.driver.driver import BackendStartError, Driver
from tgi_conformance.fake_server.client import FakeServer
from tgi_conformance.plugin.collection import AHEAD, HANDS, PROBLEM, new_record
from tgi_conformance.plugin.ids import find_clause
from tgi_conformance.plugin.locks import LOCK_FILE, PRESENCE_FILE, held, present, share_of
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.judged import BEGUN, Begun, play_ahead
from tgi_conformance.suites.harness.probes import Probes
from tgi_conformance.suites.harness.session import CASE_ID, SETTINGS, Settings

#: A smaller share is over before a second backend process has paid.
_LEAST_SHARE: Final = 50
#: What the fixture ``case`` is built on; any other fixture may change what surrounds the case.
_BENEATH: Final = frozenset(
    {"case", "tgi_server", "tgi_backend", "_probes", "backend_spec", "pytestconfig", "request"}
)
#: Markers by which pytest decides at its turn whether a test is run.
_DECIDED_LATER: Final = ("skip", "skipif", "xfail")


class Ahead:
    """The plugin's hooks; one a process that runs tests."""

    def __init__(self, config: pytest.Config, scratch: Path) -> None:
        self._config = config
        self._settings = config.stash[SETTINGS]
        self._scratch = scratch
        self._thread: _Thread | None = None

    def take(self, item: pytest.Item) -> Begun | None:
        """Give what came of a case that was begun, waiting for its end; None: it is to be played now.

        To be asked before the run-wide locks are taken: the thread may be waiting for them.
        """
        return self._thread.take(item) if self._thread else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Give what came of a case that was begun, in its test's place."""
        begun = pyfuncitem.stash.get(BEGUN, None)
        if begun is None:
            return None
        if begun.error is not None:
            raise begun.error
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Begin behind the first case, whose verdict is to show soon that the run lives."""
        given = getattr(item, "funcargs", {})
        if self._thread is None and {"tgi_server", "tgi_backend"} <= given.keys():
            self._thread = _Thread(given["tgi_server"], given["tgi_backend"], self._settings, self._scratch)
            self._thread.begin(self._waiting(item))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """End the thread, and with it what it plays in a run that is broken off."""
        if self._thread is not None:
            self._thread.end()

    def _waiting(self, first: pytest.Item) -> list[pytest.Function]:
        """The cases to begin: of the share of this process, which is told by the case that it ran first."""
        settings = self._settings
        bounded = settings.profile == "quick" or settings.real is not None
        if settings.inproc or bounded or len(settings.backends) > 1:
            return []
        hand = next((hand for hand in self._config.stash.get(HANDS, ()) if first in hand), ())
        if len(hand) < _LEAST_SHARE:
            return []
        return [item for item in hand if item is not first and _may_begin(item)]


class _Thread:
    """The thread, its backend process, and what came of each case that it played."""

    def __init__(self, server: FakeServer, driver: Driver, settings: Settings, scratch: Path) -> None:
        self._settings = settings
        self._scratch = scratch
        self._spec = driver.spec
        self._claimed = driver.description.capabilities
        self._server = server
        self._driver: Driver | None = None
        self._probes: Probes | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tgi-ahead")
        self._played: dict[pytest.Item, Future[Begun | None]] = {}

    def begin(self, items: Iterable[pytest.Function]) -> None:
        """Have the thread play these cases, one after the other."""
        claimed = [item for item in items if self._claims(item)]
        if claimed:
            self._pool.submit(self._open)
            self._played = {item: self._pool.submit(self._play, item) for item in claimed}
            self._pool.submit(self._close)

    def take(self, item: pytest.Item) -> Begun | None:
        """Give what came of a case, waiting for its end; None: it was not begun, and will not be."""
        future = self._played.pop(item, None)
        if future is None or future.cancel():
            return None
        return future.result()

    def end(self) -> None:
        """Break off the case that is played now, if any: nobody will take it."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if driver := self._driver:
            driver.close(grace=0)
        self._pool.shutdown()
        self._close()

    def _claims(self, item: pytest.Item) -> bool:
        clause = find_clause(item.stash[CASE_ID].clause)
        return clause is None or set(clause.capabilities) <= self._claimed

    def _open(self) -> None:
        try:
            self._driver = Driver.start(self._spec)
        except BackendStartError:
            return  # the cases are then played at their turn, by a process that did start
        self._probes = Probes(self._driver, self._server, self._settings.deadline, self._settings.server)

    def _close(self) -> None:
        if self._driver is not None:
            self._driver.close()
        self._driver = self._probes = None

    def _play(self, item: pytest.Function) -> Begun | None:
        if self._driver is None or self._probes is None:
            return None
        record = new_record(item)
        test, parameters = cast("Callable[..., None]", item.function), _parameters(item)
        lock, presence = self._scratch / LOCK_FILE, self._scratch / PRESENCE_FILE
        with held(lock, share_of(item)), present(presence) as alone:
            case = Case(self._server, self._driver, self._probes, record, self._settings, alone=alone)
            started = time.monotonic()
            begun = play_ahead(case, lambda case: test(**parameters, case=case))
            record.seconds_ahead = time.monotonic() - started
        return begun


def _may_begin(item: pytest.Item) -> TypeGuard[pytest.Function]:
    """Whether a case is marked, and its test needs nothing that only its own turn can give."""
    if not isinstance(item, pytest.Function) or item.get_closest_marker(AHEAD) is None:
        return False
    if item.stash.get(PROBLEM, "") or any(map(item.get_closest_marker, _DECIDED_LATER)):
        return False
    parameters = _parameters(item).keys()
    takes = signature(item.function).parameters.keys()
    return takes <= {"case"} | parameters and set(item.fixturenames) <= _BENEATH | parameters


def _parameters(item: pytest.Function) -> Mapping[str, object]:
    """The values of the test's parameters."""
    callspec = getattr(item, "callspec", None)
    given: Mapping[str, object] = callspec.params if callspec is not None else {}
    return {name: value for name, value in given.items() if name not in _BENEATH}
