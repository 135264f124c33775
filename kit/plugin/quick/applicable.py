"""Whether a case is applicable to a backend, found out before anything is run.

A case says so itself, in its first lines: ``case.needs("stream")``, ``case.needs_parameter(...)``. So its
function is entered with a :class:`_Claims` in the place of its case, which knows the description and nothing
else, and is left at the first thing that would need a server or a process.
"""

import inspect
from typing import Any, Final

import pytest

from tgi_conformance.contracts.adapter import Description
from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.rulings import NotApplicable, NotHere
from tgi_conformance.suites.harness.session import CASE_ID, SETTINGS, Settings

_CASE: Final = "case"


class _AtWork(BaseException):
    """The case goes to work: all that it asks for is claimed. No ``except Exception`` takes it."""


class _Nothing:
    """What the server and the process are here: whoever asks anything of it is at work."""

    def __getattr__(self, name: str) -> Any:
        raise _AtWork(name)


class _Working(_Nothing):
    """Probes that find every healthy call well."""

    def works(self, *_: object, **__: object) -> bool:
        return True


class _Driver(_Nothing):
    """A process of which only the description is known."""

    def __init__(self, description: Description) -> None:
        self.description = description


def is_applicable(item: pytest.Item, description: Description) -> bool:
    """Whether a case asks for nothing that the backend does not claim; unknown counts as applicable."""
    clause = load_catalogue()[item.stash[CASE_ID].clause]
    if not set(clause.capabilities) <= description.capabilities:
        return False
    if not isinstance(item, pytest.Function):
        return True
    callspec = getattr(item, "callspec", None)
    given: dict[str, object] = {} if callspec is None else dict(callspec.params)
    wanted = inspect.signature(item.function).parameters
    if _CASE not in wanted or not set(wanted) - {_CASE} <= set(given):
        return True
    given[_CASE] = _claims(description, item.config.stash[SETTINGS])
    try:
        item.function(**{name: given[name] for name in wanted})
    except (NotApplicable, NotHere):
        return False
    except (_AtWork, Exception):  # noqa: BLE001 - a case that stumbles here says nothing of what it needs
        return True
    return True


def _claims(description: Description, settings: Settings) -> Case:
    nothing: Any = _Nothing()
    working: Any = _Working()
    driver: Any = _Driver(description)
    return Case(nothing, driver, working, nothing, settings)
