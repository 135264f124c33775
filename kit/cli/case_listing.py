"""The cases that the suites hold for a backend, found by collecting them with pytest."""

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from tgi_conformance.cli.pytest_arguments import Choice, arguments, own_environment
from tgi_conformance.plugin.collection import WAYS_TRIED
from tgi_conformance.plugin.locks import share_of
from tgi_conformance.suites.harness.session import CASE_ID
from tgi_conformance.suites.ways.words import Way


class ListingError(RuntimeError):
    """The suites could not be collected; holds what pytest said."""


class ListingUsageError(ValueError):
    """The cases were asked for of what cannot be a backend; says what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One case and the test that it is."""

    case: str
    clause: str
    nodeid: str
    doc: str
    #: The ways on which it tries the clause.
    ways: frozenset[Way] = frozenset()
    #: It puts load on the server, alone in the run.
    load: bool = False


class _Taker:
    """Takes the cases off a collection."""

    def __init__(self) -> None:
        self.cases: list[Listed] = []

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep each case once, whatever the number of backends."""
        found = {}
        for item in session.items:
            if CASE_ID in item.stash:
                case = item.stash[CASE_ID]
                doc = getattr(getattr(item, "obj", None), "__doc__", None) or ""
                found[case.text] = Listed(
                    case=case.text,
                    clause=case.clause,
                    nodeid=item.nodeid,
                    doc=" ".join(doc.split()),
                    ways=item.stash.get(WAYS_TRIED, frozenset()),
                    load=share_of(item) == "alone",
                )
        self.cases = [found[name] for name in sorted(found)]


def list_cases(clauses: tuple[str, ...] = (), backends: tuple[str, ...] = ()) -> list[Listed]:
    """Collect the cases of these clauses (all if none is given) in order of their ids.

    Raises :class:`ListingError` or :class:`ListingUsageError`. A clause that no case is of has none, which is
    no mistake. Run-wide rulings are no cases of their own: they rest on all others.
    """
    taker = _Taker()
    words = [*arguments(Choice(rerun=clauses, backends=backends)), "--collect-only", "-q"]
    said = io.StringIO()
    with own_environment(), redirect_stdout(said), redirect_stderr(said):
        code = pytest.main(words, plugins=[taker])
    if code == pytest.ExitCode.USAGE_ERROR:
        raise ListingUsageError(said.getvalue().strip().removeprefix("ERROR: "))
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise ListingError(said.getvalue().strip())
    return taker.cases
