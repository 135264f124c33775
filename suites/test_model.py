"""The stateful model: programs of calls, answers and failures at a held server, held against a model.

One machine a theme. A breach counts for the clause whose assertion failed: one of another clause than the
case's is ruled as that clause's run-wide ruling.
"""

from tgi_conformance.suites.areas.held import taken_together
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause, load
from tgi_conformance.suites.model.backoff_machine import BackoffMachine
from tgi_conformance.suites.model.keys_machine import KeysMachine
from tgi_conformance.suites.model.load import CAPS, MOST_CALLS, expect_load, loads
from tgi_conformance.suites.model.queue_machine import QueueMachine
from tgi_conformance.suites.model.stateful import check_examples, check_machine


@clause("QUEUE-01", case="property-model", ways=("chat", "chat stream"))
def test_slots_and_queue_behave_as_the_model_says(case: Case) -> None:
    """Whatever calls, endings and cancellations come, the cap holds and the queue is fair."""
    case.needs("queue")
    case.needs_setting("max_concurrent_requests")
    check_machine(case, QueueMachine)


@clause("RETRY-01", case="property-model", ways=("chat", "chat stream"))
def test_backoff_behaves_as_the_model_says(case: Case) -> None:
    """Refused calls come back as often and as late as declared, and hold up nobody meanwhile."""
    case.needs("retry")
    case.needs_setting("max_retries", "initial_retry_delay")
    check_machine(case, BackoffMachine, shared=2)  # its programs sleep


@clause("MUX-03", case="property-model", ways=("chat", "chat stream"))
def test_keys_and_counters_behave_as_the_model_says(case: Case) -> None:
    """Keys that are added, changed and closed while calls are under way never touch one another."""
    case.needs("keys")
    check_machine(case, KeysMachine)


@clause("QUEUE-09", case="property-load", ways=("chat", "chat stream"))
@load
def test_calls_made_at_once_keep_to_themselves(case: Case) -> None:
    """Whoever calls beside whom: each caller gets its own answer, under its own key, and is counted once."""
    case.needs("queue")
    case.needs_setting("max_concurrent_requests")
    endpoints = len(CAPS) if case.claims("keys") else 1
    most = taken_together(case, MOST_CALLS)
    check_examples(case, loads(endpoints=endpoints, most=most), expect_load, shared=3)
