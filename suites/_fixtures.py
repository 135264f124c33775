"""The fixtures of the suites; the plugin loads them, a user's own tests may use them too.

``case`` is what the clauses work with. ``tgi_server`` and ``tgi_space`` are for tests that need the fake
server alone.
"""

import inspect
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import nullcontext

import pytest

from tgi_conformance.backends.driver.driver import BackendStartError, Driver
from tgi_conformance.backends.driver.spec import BackendSpec
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.script import Reply, Script
from tgi_conformance.fake_server.client import FakeServer, Space
from tgi_conformance.suites.harness import connects
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.judged import BEGUN, judged, look_at_process, take_findings
from tgi_conformance.suites.harness.probes import Probes
from tgi_conformance.suites.harness.session import ALONE, FORWARDED, RECORD, SETTINGS, STARTED
from tgi_conformance.suites.real.said import told_by


@pytest.fixture(scope="session")
def tgi_server(pytestconfig: pytest.Config) -> Iterator[FakeServer]:
    """A fake TGI server in a process of its own, one a session and worker."""
    connects.watch()
    settings = pytestconfig.stash.get(SETTINGS, None)
    real = None if settings is None else settings.real
    with FakeServer.start(egress=None if real is None else (real.egress_url, real.egress_token)) as server:
        yield server


@pytest.fixture
def tgi_space(tgi_server: FakeServer) -> Iterator[Callable[..., Space]]:
    """Make spaces: ``tgi_space(reply, ..., keys={"A": key})``; each is closed at the end of the test."""
    spaces: list[Space] = []

    def make(*replies: Reply, keys: dict[str, str] | None = None, **script: object) -> Space:
        spaces.append(tgi_server.space(Script(replies=replies, **script), keys=keys or {}))  # type: ignore[arg-type]
        return spaces[-1]

    yield make
    for space in spaces:
        space.close()


@pytest.fixture(scope="session")
def backend_spec(request: pytest.FixtureRequest) -> BackendSpec:
    """The backend under test; the plugin parametrizes it where there are several."""
    spec = getattr(request, "param", None) or request.config.stash[SETTINGS].backends[0]
    assert isinstance(spec, BackendSpec)
    return spec


@pytest.fixture(scope="session")
def tgi_backend(backend_spec: BackendSpec, pytestconfig: pytest.Config) -> Iterator[Driver]:
    """The driver of the backend under test, its process started once a worker."""
    driver = pytestconfig.stash.get(STARTED, {}).pop(backend_spec, None)
    try:
        driver = driver or Driver.start(backend_spec, inproc=pytestconfig.stash[SETTINGS].inproc)
    except BackendStartError as error:
        # Its text says all. Each case of the run shows it, and to render our frames takes longer than a case.
        raise error.with_traceback(None) from None
    yield driver
    driver.close()


@pytest.fixture(scope="session")
def _probes(tgi_backend: Driver, tgi_server: FakeServer, pytestconfig: pytest.Config) -> Probes:
    settings = pytestconfig.stash[SETTINGS]
    return Probes(tgi_backend, tgi_server, settings.deadline, settings.server)


@pytest.fixture
def case(
    request: pytest.FixtureRequest, tgi_server: FakeServer, tgi_backend: Driver, _probes: Probes
) -> Iterator[Case]:
    """The case at work, closed and looked over by the run-wide oracles at the end."""
    begun = request.node.stash.get(BEGUN, None)
    if begun is not None:
        yield begun.case
        if begun.end_error is not None:
            raise begun.end_error
        return
    record = request.node.stash[RECORD]
    mark = tgi_backend.mark_output()
    made = Case(
        tgi_server,
        tgi_backend,
        _probes,
        record,
        request.config.stash[SETTINGS],
        alone=request.node.stash.get(ALONE, nullcontext),
        forwards=request.node.stash.get(FORWARDED, False),
    )
    yield made
    take_findings(_probes, record)
    made.finish()
    look_at_process(tgi_backend, record, mark)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Hold every scripted reply to the requests it expected, and confirm a failure by replay."""
    made = pyfuncitem.funcargs.get("case")
    if not isinstance(made, Case) or BEGUN in pyfuncitem.stash:
        return (yield)
    with told_by(_journals(made)), judged(made, lambda again: _play(pyfuncitem, again)):
        return (yield)
    return True


def _play(item: pytest.Function, case: Case) -> None:
    """Call the test function as pytest does, with another case."""
    names = inspect.signature(item.function).parameters
    with told_by(_journals(case)):
        item.function(**{name: item.funcargs[name] for name in names} | {"case": case})


def _journals(case: Case) -> Callable[[], Sequence[Journal]] | None:
    """What tells what a real server said in a case; None where none answers it."""
    return case.journals if case.forwards else None
