"""A correct client that retries every passing failure, and has no setting to switch that off."""

from dataclasses import replace
from typing import Any, Final

from tgi_conformance.backends.reference import adapter, retry_policy
from tgi_conformance.contracts.adapter import Description, Fault

STATUSES: Final = frozenset({408, 409, 424, 425, 429, 500, 502, 503, 504, 599})
FAULTS: Final[frozenset[Fault]] = frozenset({"refused", "reset", "closed", "timeout", "overloaded_event"})
#: Seconds before each further attempt, and how many there are.
DELAY: Final = 0.03
RETRIES: Final = 2
_SETTINGS: Final = frozenset({"max_retries", "initial_retry_delay", "backoff_factor", "max_retry_delay"})
_OWN: Final = {
    "max_retries": RETRIES,
    "initial_retry_delay": DELAY,
    "backoff_factor": 1.0,
    "max_retry_delay": DELAY,
}

retry_policy.RETRYABLE_STATUSES = STATUSES  # type: ignore[misc]
retry_policy.RETRYABLE_FAULTS = FAULTS - {"overloaded_event"}  # type: ignore[misc, assignment]


def _declared(described: Description, name: str) -> Description:
    assert described.retry is not None
    return replace(
        described,
        name=name,
        settings=described.settings - _SETTINGS,
        retry=replace(
            described.retry,
            statuses=STATUSES,
            faults=FAULTS,
            max_retries=RETRIES,
            initial_delay=DELAY,
            factor=1.0,
            max_delay=DELAY,
        ),
    )


class Adapter(adapter.ReferenceAdapter):
    """The synchronous face."""

    def describe(self) -> Description:
        """The reference's, with the policy that cannot be changed."""
        return _declared(super().describe(), "retries-all")

    def create_endpoint(self, **given: Any) -> str:
        """Make an endpoint with that policy."""
        return super().create_endpoint(**given, **_OWN)


class AsyncAdapter(adapter.AsyncReferenceAdapter):
    """The asynchronous face."""

    def describe(self) -> Description:
        """The reference's, with the policy that cannot be changed."""
        return _declared(super().describe(), "retries-all-async")

    async def create_endpoint(self, **given: Any) -> str:
        """Make an endpoint with that policy."""
        return await super().create_endpoint(**given, **_OWN)
