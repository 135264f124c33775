"""The presence of cases: who verifies a failure is alone, and two who do so do not wait for one another."""

import threading
from pathlib import Path

from tgi_conformance.plugin.locks import present

#: Seconds after which what waits is stuck.
STUCK = 20.0


def test_nobody_begins_while_one_is_alone(tmp_path: Path) -> None:
    file, begun = tmp_path / "presence.lock", threading.Event()

    def begin() -> None:
        with present(file):
            begun.set()

    with present(file) as alone:
        with alone():
            other = threading.Thread(target=begin)
            other.start()
            assert not begun.wait(0.1)
        assert begun.wait(STUCK)
    other.join(STUCK)


def test_one_is_alone_only_when_the_others_have_ended(tmp_path: Path) -> None:
    file, seen = tmp_path / "presence.lock", list[str]()
    entered = threading.Event()

    def verify() -> None:
        with present(file) as alone:
            entered.set()
            with alone():
                seen.append("alone")

    with present(file):
        other = threading.Thread(target=verify)
        other.start()
        assert entered.wait(STUCK)
        other.join(0.1)
        seen.append("ended")
    other.join(STUCK)
    assert seen == ["ended", "alone"]


def test_cases_that_verify_at_the_same_time_do_so_one_after_the_other(tmp_path: Path) -> None:
    file, together = tmp_path / "presence.lock", threading.Barrier(3)
    inside, most, ended = list[int](), list[int](), list[int]()

    def verify(number: int) -> None:
        with present(file) as alone:
            together.wait(STUCK)
            with alone():
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)
            ended.append(number)

    threads = [threading.Thread(target=verify, args=(number,), daemon=True) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(STUCK)
    assert sorted(ended) == [0, 1, 2]
    assert most == [1, 1, 1]
