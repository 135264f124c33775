"""The run-wide lock: load cases alone, timing cases together, others free."""

import fcntl
import threading
import time
from pathlib import Path

import pytest

from tgi_conformance.plugin.locks import Share, held


def _could(file: Path, operation: int) -> bool:
    """Whether another process could take the lock now (another descriptor is as good)."""
    with file.open("a") as handle:
        try:
            fcntl.flock(handle, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.mark.parametrize(
    ("share", "others_may_share", "others_may_be_alone"),
    [("alone", False, False), ("shared", True, False), (None, True, True)],
)
def test_who_may_run_beside_whom(
    tmp_path: Path, share: Share | None, *, others_may_share: bool, others_may_be_alone: bool
) -> None:
    file = tmp_path / "load.lock"
    with held(file, share):
        assert _could(file, fcntl.LOCK_SH) is others_may_share
        assert _could(file, fcntl.LOCK_EX) is others_may_be_alone
    assert _could(file, fcntl.LOCK_EX)


def test_a_failing_case_gives_the_lock_back(tmp_path: Path) -> None:
    file = tmp_path / "load.lock"
    with pytest.raises(KeyError), held(file, "alone"):
        raise KeyError("x")
    assert _could(file, fcntl.LOCK_EX)


def test_who_waits_to_be_alone_is_not_passed_by(tmp_path: Path) -> None:
    file = tmp_path / "load.lock"
    done: list[str] = []

    def alone() -> None:
        with held(file, "alone"):
            done.append("alone")

    with held(file, "shared"):
        waiting = threading.Thread(target=alone, daemon=True)
        waiting.start()
        deadline = time.monotonic() + 10
        # As soon as it waits it has the turn, so that another share has to wait behind it.
        while _could(file.with_suffix(".turn"), fcntl.LOCK_EX):
            assert time.monotonic() < deadline, "it never took the turn"
        assert done == []
    waiting.join(10)
    assert done == ["alone"]
    assert _could(file.with_suffix(".turn"), fcntl.LOCK_EX)
