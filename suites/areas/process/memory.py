"""The memory of the backend's process while it makes calls, one kind after the other."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.contracts.script import Reply, status
from tgi_conformance.suites.areas.process.own import call_in
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import describe
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import Shape

#: Characters of an answer: far more than a client may note of each call.
SIZE: Final = 64 * 1024
#: Calls that it takes to tell growth from noise.
CALLS: Final = 300
#: Bytes a call that a process may grow by. Measured on a busy machine, 66 calls after 34 of the kind, in kB
#: a call: the reference 0.4 to 2.1, the second client and one on http.client 0, text_generation 0 to 2.2, the
#: Node example -2.9 to 4.9. huggingface_hub grows by 12 to 20 a stream: it keeps each on a stack until it is
#: closed. A client that keeps its answers grows by 64 and more.
MOST: Final = SIZE / 8
#: How often the calls of a kind are made at most: on a busy machine one go in a hundred is over by chance.
GOES: Final = 4
#: A client and its libraries fill caches and pools at first: this part of the calls is not counted.
_FIRST: Final = 1 / 3
#: Seconds that the first calls of a kind may take, else the rest is not waited for; and all of a kind. Both
#: are for a busy machine: on an idle one a call takes four milliseconds.
_TRIAL: Final = 30
_TRIAL_SECONDS: Final = 3.0
_SECONDS: Final = 6.0
_FRAMES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of call: how it is made, and what it is answered with."""

    name: str
    stream: bool
    reply: Reply


def kinds(case: Case, shape: Shape) -> tuple[Kind, ...]:
    """Whole answers, streams, and calls that fail."""
    piece = "y" * (SIZE // _FRAMES)
    refused = status(422, json={"error": "z" * SIZE, "error_type": "validation"})
    made = [Kind(name="answered", stream=False, reply=shape.plain("x" * SIZE))]
    if case.claims("stream"):
        made.append(Kind(name="streamed", stream=True, reply=shape.stream([piece] * _FRAMES)))
    return (*made, Kind(name="refused", stream=False, reply=refused))


def memory_of(driver: Driver) -> int | None:
    """Bytes that the process holds now that garbage was collected; None: nobody can tell.

    Where the language gives memory back when it likes, only its own host can (``census.memory``).
    """
    told = driver.census().memory
    if told is not None or not driver.language.startswith("Python"):
        return told
    try:
        pages = Path(f"/proc/{driver.pid}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True, kw_only=True)
class Calls:
    """Calls of one kind made one after the other, on one endpoint of a process."""

    case: Case
    driver: Driver
    endpoint: object
    shape: Shape
    kind: Kind

    def growth(self, calls: int) -> float:
        """Bytes a call by which the process grows, counted from the last two thirds of so many calls."""
        began, first = time.monotonic(), int(calls * _FIRST)
        self._make(range(first), began)
        before = self._memory()
        self._make(range(first, calls), began)
        return (self._memory() - before) / (calls - first)

    def _memory(self) -> int:
        memory = memory_of(self.driver)
        if memory is None:
            raise NotApplicable("neither the system nor the backend's host tells the memory of its process")
        return memory

    def _make(self, numbers: range, began: float) -> None:
        for number in numbers:
            taken = time.monotonic() - began
            if taken > (_TRIAL_SECONDS if number <= _TRIAL else _SECONDS):
                raise NotApplicable(f"{number} calls take {taken:.1f} s: too few for a rate")
            outcome = call_in(self.driver, self.case, self.shape, self.endpoint, stream=self.kind.stream)
            if outcome.ending not in ("answer", "end", "error"):
                raise NotApplicable(f"a call that is {self.kind.name} does not end: {describe(outcome)}")
