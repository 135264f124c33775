"""The soak's own parts: which runs are made, and what a row says."""

from collections import Counter
from pathlib import Path

from busy_loops import busy_loops
from soak import Row, table
from soak_runs import BACKENDS, Backend, plan


def test_each_backend_gets_ten_full_runs_and_fifty_of_the_areas_each_with_its_seed() -> None:
    for backend in BACKENDS:
        planned = list(plan(backend))
        assert Counter(run.kind for run in planned) == {"full": 10, "areas": 50}
        assert len({run.seed for run in planned}) == len({run.id for run in planned}) == 60


def test_both_faces_of_the_reference_and_all_numbers_of_workers_take_turns() -> None:
    planned = list(plan(BACKENDS[0]))
    assert {run.words[-1].rpartition(":")[2] for run in planned if run.kind == "full"} == {
        "ReferenceAdapter",
        "AsyncReferenceAdapter",
    }
    assert {run.workers for run in planned} == {2, 4}


def test_a_backend_that_cannot_run_here_says_why(tmp_path: Path) -> None:
    assert "there is no program" in Backend("x", ((),), program="no-such-program").missing
    assert "there is no file" in Backend("x", ((),), files=(tmp_path / "adapter.mjs",)).missing


def test_red_verdicts_stand_under_their_run() -> None:
    red = ("failed QUEUE-01/1: too many [folder: evidence/x.json]",)
    row = Row("reference-full-1", "", "", "ReferenceAdapter", 2, 1000, 2, 60.0, 1280, red)
    assert not row.clean
    assert table([row])[2].strip() == red[0]


def test_busy_loops_end_with_their_block() -> None:
    with busy_loops(2) as loops:
        assert [loop.poll() for loop in loops] == [None, None]
    assert all(loop.poll() is not None for loop in loops)
