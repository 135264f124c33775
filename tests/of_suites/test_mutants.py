"""Backends that are broken on purpose: each is seen under its clause and its key, and little else is.

One mutant for each of the guide's keys runs here; ``tox -e mutants`` runs them all (``kill_matrix.py``).
"""

from collections import Counter
from pathlib import Path

import pytest
from kill_runs import Mutant, mutants, run_mutant, run_quick

from tgi_conformance.contracts.catalogue.clauses import Level
from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS

REFERENCE = "tgi_conformance.backends.reference.adapter"
#: So many further keys of the guide may fail with the one that a mistake belongs to.
MOST_OTHERS = 3
#: The mutant that stands for each key of the guide.
STANDING = {
    "multiplexing_endpoint_creation": "mux:OneSessionForAll",
    "usage_statistics": "stats:CountsSuccessAtTheHead",
    "queue_enabled": "queues:ReadsSwitchUpsideDown",
    "request_queue": "queues:LastInFirstOut",
    "max_concurrent_requests": "queues:FreesSlotWithTheGenerator",
    "current_requests": "queues:CountsTheWaiting",
    "max_retries": "retry:RetriesInTwoLayers",
    "initial_retry_delay": "retry:HalfASecondFirst",
    "backoff_factor": "retry:WaitsTheSameEachTime",
    "queue_processing": "queues:SleepsHoldingTheLock",
    "endpoint_handler": "init:DoubledSlash",
    "test_endpoint": "init:TruthyFailure",
    "test_endpoint_params": "init:TestsWithoutKey",
    "post_request": "req:StripsPrompt",
    "post_request_headers": "mux:BearerNone",
    "request_id_tracking": "req:ChangesRequestId",
    "chat_method": "req:OwnSystemMessage",
    "streaming": "stream:DecodesEachReadByItself",
    "error_handling_auth": "err:DecodesEmpty401",
    "error_handling_rate_limit": "retry:IgnoresRetryAfter",
    "error_handling_400": "retry:RetriesEverything",
    "image_processing": "img:Flattens",
}
_STANDING_IDS = frozenset(STANDING.values())


def test_each_key_of_the_guide_has_a_mutant_that_breaks_it() -> None:
    assert tuple(STANDING) == RESULTS_KEYS
    known = {mutant.id: mutant.key for mutant in mutants()}
    assert {key: known.get(name) for key, name in STANDING.items()} == {key: key for key in RESULTS_KEYS}


def test_each_mutant_has_a_name_of_its_own_and_says_what_is_wrong_with_it() -> None:
    names = Counter(mutant.id for mutant in mutants())
    assert [name for name, count in names.items() if count > 1] == []
    assert {mutant.level for mutant in mutants()} <= {Level.MUST, Level.SHOULD}


@pytest.mark.parametrize("face", ["ReferenceAdapter", "AsyncReferenceAdapter"])
def test_the_reference_itself_is_all_green(face: str, tmp_path: Path) -> None:
    told = run_quick(f"{REFERENCE}:{face}", tmp_path / "results")
    assert (told.code, told.red) == (0, ()), told.out
    assert {key: told.results.get(key) for key in RESULTS_KEYS} == dict.fromkeys(RESULTS_KEYS, "Success")


@pytest.mark.parametrize("mutant", [v for v in mutants() if v.id in _STANDING_IDS], ids=lambda v: v.id)
def test_a_broken_backend_is_seen_for_what_it_is(mutant: Mutant, tmp_path: Path) -> None:
    told = run_mutant(mutant, tmp_path / "results")
    assert told.code == 1, told.out
    assert mutant.breaks in told.red, told.out
    if mutant.key and mutant.level is Level.MUST:  # a key is scored by its MUST clauses where it has any
        assert told.results.get(mutant.key) == "Failed"
    others = [key for key in told.failed_keys if key != mutant.key]
    assert len(others) <= MOST_OTHERS, f"also Failed: {', '.join(others)}; red: {' '.join(told.red)}"
