"""RES: memory does not grow with the calls."""

from tgi_conformance.suites.areas.process.memory import CALLS, GOES, MOST, SIZE, Calls, kinds
from tgi_conformance.suites.areas.process.own import created_in
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_success


@clause("RES-10", ways=("chat", "chat stream"))
def test_memory_does_not_grow_with_the_calls(case: Case) -> None:
    """A service that keeps something of each answer runs out of memory after days, and nobody knows why.

    Whole answers, streams and refused calls are looked at one after the other: each has code of its own.
    """
    shape = case.shape()
    tried = kinds(case, shape)
    each = CALLS // len(tried)
    grown: dict[str, float] = {}
    with case.fresh_process() as driver:
        for kind in tried:
            space = case.serve(kind.reply.times(0, None))
            created = created_in(driver, case, space.base_url, case.key())
            expect_success(created, "create_endpoint")
            calls = Calls(case=case, driver=driver, endpoint=created.value, shape=shape, kind=kind)
            grown[kind.name] = _least_growth(calls, each)

    over = [
        f"{size / 1024:.0f} kB for each call that is {name}" for name, size in grown.items() if size > MOST
    ]
    expect(
        not over,
        expected=f"memory that does not grow with the calls (their answers are of {SIZE >> 10} kB)",
        observed=f"growth of {'; '.join(over)}",
    )


def _least_growth(calls: Calls, each: int) -> float:
    """Bytes a call by which the process grows: the least of a few goes, where the first is too much.

    A heap may have been enlarged in one of them, or a buffer not yet been given back. What is kept of each
    call is there in all of them.
    """
    least = calls.growth(each)
    for _ in range(GOES - 1):
        if least <= MOST:
            break
        least = min(least, calls.growth(each))
    return least
