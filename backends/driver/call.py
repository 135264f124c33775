"""One call of the backend as the suites hold it: wait, read pieces, leave, cancel; in the end an outcome."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import ClassVar, Final, Protocol

from tgi_conformance.backends.driver.events import (
    End,
    Entered,
    Event,
    Left,
    PieceCame,
    Raised,
    Refused,
    Result,
    Stream,
)
from tgi_conformance.backends.driver.failure import failure_in
from tgi_conformance.contracts.adapter import Answer, ErrorInfo, Failure, Piece
from tgi_conformance.contracts.codec import DecodeError, from_json
from tgi_conformance.contracts.fault import Ownership
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Ending, ExceptionLink, Outcome

#: Methods whose value is an answer of the model.
GENERATION: Final = frozenset({"generate", "chat", "completions", "submit"})
#: Why an outcome is an error although nothing was raised.
_RETURNED: Final = "returned a value that the adapter declares as a failure"
#: "To the end": more pieces than any stream has.
ALL_PIECES: Final = 1 << 31
_UNKNOWN: Final = Ownership()


class CallPort(Protocol):
    """What a call needs of the session that it runs in."""

    def send(self, message: Mapping[str, object]) -> None:
        """Send a message to the host; nothing happens where the host is gone."""

    def give_up(self, call: "Call", reason: str) -> None:
        """End a host that does not answer."""


class Call:
    """A call under way. Any thread may use it; pieces go to one reader at a time."""

    def __init__(
        self,
        call_id: int,
        method: str,
        port: CallPort | None,
        failure: Failure | None = None,
        ownership: Ownership = _UNKNOWN,
        *,
        trims: bool = False,
    ) -> None:
        self.id = call_id
        self.method = method
        #: Whether the backend declares that it trims texts.
        self.trims = trims
        self._port = port
        self._failure = failure if method in GENERATION else None
        self._ownership = ownership
        self._changed = threading.Condition()
        #: What threads wait for. A thread that is woken for nothing costs more than to look here.
        self._awaited: list[Callable[[], bool]] = []
        self._outcome: Outcome | None = None
        self._entered_at: float | None = None
        self._streaming = False
        self._pieces: list[Piece] = []
        self._times: list[float] = []
        self._asked = 0
        #: Pieces to ask for when the stream is there.
        self._wanted = 0
        self._handed = 0

    @property
    def done(self) -> bool:
        """Whether there is an outcome."""
        return self._outcome is not None

    def outcome(self) -> Outcome | None:
        """Return the outcome, None while the call runs."""
        return self._outcome

    def wait_entered(self, timeout: float) -> bool:
        """Wait until the host has called the backend; False after the time-out (seconds)."""
        return self._until(lambda: self._entered_at is not None, time.monotonic() + timeout)

    def wait(self, deadline: float, *, since: float | None = None) -> Outcome:
        """Wait for the end, reading a stream to its end; no end within ``deadline`` seconds is a hang.

        ``since``: the monotonic second that the deadline counts from, where the wait has begun before.
        """
        until = (time.monotonic() if since is None else since) + deadline
        if self._until(lambda: self._streaming, until) and not self.done:
            self._ask(ALL_PIECES)
        return self._finished(until, deadline)

    def wait_begun(self, timeout: float) -> bool:
        """Wait ``timeout`` seconds for the outcome or a stream; False: neither is there, no fault."""
        return self._until(lambda: self._streaming, time.monotonic() + timeout)

    def end(self, detail: str) -> Outcome:
        """End a call that does not end by itself, with its host: a hang, for the reason given."""
        outcome = self._end("hang", detail=detail)
        if self._port is not None and outcome.ending == "hang":
            self._port.give_up(self, outcome.detail)
        return outcome

    def wait_done(self, timeout: float) -> bool:
        """Wait ``timeout`` seconds for the outcome, reading nothing; False: it still runs, no fault."""
        return self._until(lambda: False, time.monotonic() + timeout)

    def read(self, n: int, deadline: float) -> tuple[Piece, ...]:
        """Return the next ``n`` pieces; fewer: the call has ended. Not all in time is a hang."""
        until = time.monotonic() + deadline
        self.pull(n, deadline)
        wanted = self._handed + n
        if not self._until(lambda: len(self._pieces) >= wanted, until):
            self._hang(deadline)
        with self._changed:
            pieces = tuple(self._pieces[self._handed : wanted])
            self._handed += len(pieces)
        return pieces

    def pull(self, n: int, deadline: float = 10.0) -> None:
        """Ask for ``n`` pieces beyond those read, and wait for the stream to be there, not for them."""
        if not self._until(lambda: self._streaming, time.monotonic() + deadline):
            self._hang(deadline)
        missing = self._handed + n - self._asked
        if missing > 0 and not self.done:
            self._ask(missing)

    def ask(self, n: int) -> None:
        """Ask for ``n`` pieces more and return at once; of a stream still to come: once it is there."""
        with self._changed:
            if not self._streaming:
                self._wanted += n  # a host is asked once it has said that there is a stream
                return
        if not self.done:
            self._ask(n)

    def wait_pieces(self, count: int, timeout: float) -> bool:
        """Wait until ``count`` pieces came in all; False after the time-out or at the end. Never a hang."""
        self._until(lambda: len(self._pieces) >= count, time.monotonic() + timeout)
        return len(self._pieces) >= count

    def pieces_so_far(self) -> tuple[Piece, ...]:
        """Return every piece that has come, read or not."""
        with self._changed:
            return tuple(self._pieces)

    def leave(self, how: str = "close", deadline: float = 5.0) -> Outcome:
        """Leave the stream: "close" it, "drop" the last reference, or "throw" in its consumer."""
        until = time.monotonic() + deadline
        if self._until(lambda: self._streaming, until) and not self.done:
            self._send("leave", how=how)
        return self._finished(until, deadline)

    def cancel(self, how: str = "cancel") -> None:
        """Take the call back; "interrupt": KeyboardInterrupt in a plain call. Wait for what comes of it."""
        if not self.done:
            self._send("cancel", how=how)

    def abandon(self) -> Outcome:
        """Cancel and do not wait: the verdict is known."""
        outcome = self._end("abandoned")
        if outcome.ending == "abandoned":
            self._send("cancel", how="cancel")
        return outcome

    # from the session

    def on_event(self, event: Event) -> bool:
        """Take an event of the host; True if the host has ended the call."""
        with self._changed:
            ended = self._HANDLERS[type(event)](self, event)
            if any(ready() for ready in self._awaited):
                self._changed.notify_all()
        return ended

    def crash(self, detail: str) -> None:
        """The child process has ended."""
        self._end("crash", detail=detail)

    def miss(self, detail: str) -> None:
        """The adapter has no such method."""
        self._end("missing", detail=detail)

    def violate(self, detail: str) -> None:
        """The host or the adapter broke the protocol."""
        self._end("violation", detail=detail)

    # inside

    def _send(self, op: str, **fields: object) -> None:
        if self._port is not None:
            self._port.send({"op": op, "id": self.id, **fields})

    def _ask(self, n: int) -> None:
        self._asked += n
        self._send("read", n=n)

    def _until(self, ready: Callable[[], bool], until: float) -> bool:
        """Wait for something, or for the outcome."""
        with self._changed:
            self._awaited.append(ready)
            try:
                return self._changed.wait_for(
                    lambda: self.done or ready(), max(0.0, until - time.monotonic())
                )
            finally:
                self._awaited.remove(ready)

    def _finished(self, until: float, deadline: float) -> Outcome:
        self._until(lambda: False, until)
        return self._outcome or self._hang(deadline)

    def _hang(self, deadline: float) -> Outcome:
        return self.end(f"{self.method}(): no answer within {deadline:g} s")

    def _end(
        self,
        ending: Ending,
        *,
        answer: Answer | None = None,
        value: JSON = None,
        truthy: bool | None = None,
        error: ErrorInfo | None = None,
        exception: tuple[ExceptionLink, ...] = (),
        mutated: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
        at: float | None = None,
        detail: str = "",
    ) -> Outcome:
        """Set the outcome, unless there is one already; return the one that holds."""
        with self._changed:
            if self._outcome is None:
                self._outcome = Outcome(
                    ending=ending,
                    answer=answer,
                    pieces=tuple(self._pieces),
                    piece_times=tuple(self._times),
                    error=error,
                    exception=exception,
                    value=value,
                    truthy=truthy,
                    mutated=mutated,
                    warnings=warnings,
                    entered_at=self._entered_at,
                    ended_at=time.monotonic() if at is None else at,
                    detail=detail,
                    trims=self.trims,
                )
                self._changed.notify_all()
            return self._outcome

    def _on_entered(self, event: Entered) -> bool:
        self._entered_at = event.at
        return False

    def _on_stream(self, _event: Stream) -> bool:
        self._streaming = True
        if self._wanted and not self.done:
            self._ask(self._wanted)
        return False

    def _on_piece(self, event: PieceCame) -> bool:
        if self.done:
            return False
        if (failed := failure_in(event.value, self._failure)) is not None:
            self._end("error", error=failed, value=event.value, at=event.at, detail=_RETURNED)
            self._send("cancel", how="cancel")
            return False
        try:
            self._pieces.append(piece_of(event.value))
        except DecodeError as error:
            self.violate(f"{self.method}(): piece {len(self._pieces)}: {error}")
            self._send("cancel", how="cancel")
        else:
            self._times.append(event.at)
        return False

    def _on_result(self, event: Result) -> bool:
        answer, value = None, event.value
        failed = failure_in(value, self._failure)
        if failed is None and self.method in GENERATION:
            try:
                answer, value = answer_of(event.value)
            except DecodeError as error:
                self.violate(f"{self.method}(): the value it returned is no answer: {error}")
                return True
        self._end(
            "answer" if failed is None else "error",
            answer=answer,
            error=failed,
            detail="" if failed is None else _RETURNED,
            value=value,
            truthy=event.truthy,
            mutated=event.mutated,
            warnings=event.warnings,
            at=event.at,
        )
        return True

    def _on_end(self, event: End) -> bool:
        self._end("end", mutated=event.mutated, warnings=event.warnings, at=event.at)
        return True

    def _on_left(self, event: Left) -> bool:
        self._end("left", mutated=event.mutated, warnings=event.warnings, at=event.at)
        return True

    def _on_raised(self, event: Raised) -> bool:
        error, problem = error_of(event.info, event.problem)
        self._end(
            "error",
            error=error,
            exception=self._ownership.judge(event.exception),
            mutated=event.mutated,
            warnings=event.warnings,
            at=event.at,
            detail=problem,
        )
        return True

    def _on_refused(self, event: Refused) -> bool:
        self.violate(f"{self.method}(): {event.text}")
        return True

    _HANDLERS: ClassVar[Mapping[type[Event], Callable[..., bool]]] = {
        Entered: _on_entered,
        Stream: _on_stream,
        PieceCame: _on_piece,
        Result: _on_result,
        End: _on_end,
        Left: _on_left,
        Raised: _on_raised,
        Refused: _on_refused,
    }


def answer_of(value: JSON) -> tuple[Answer, JSON]:
    """Read what a generation call returned, and give back what of it is no answer.

    A string is the text, a list of strings the texts, a mapping an :class:`Answer`; anything else is an
    answer that exposes nothing, and the value stands beside it. Raises DecodeError for a mapping with
    other keys or types than an Answer's.
    """
    if isinstance(value, str):
        return Answer(text=value), None
    if isinstance(value, Mapping) and "$object" not in value:
        return from_json(Answer, value), None
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return Answer(texts=tuple(str(item) for item in value)), None
    return Answer(), value


def piece_of(value: JSON) -> Piece:
    """Read one item of a stream: a string or a mapping; raises DecodeError."""
    if isinstance(value, str):
        return Piece(text=value)
    if not isinstance(value, Mapping):
        raise DecodeError("", f"a string, a mapping or a Piece is needed, not {value!r:.80}")
    return from_json(Piece, value)


def error_of(info: JSON, problem: str | None) -> tuple[ErrorInfo | None, str]:
    """Read what ``classify`` gave; None with the reason where that is nothing usable."""
    if problem is not None:
        return None, problem
    try:
        return from_json(ErrorInfo, info), ""
    except DecodeError as error:
        return None, f"classify() gave no ErrorInfo: {error}"
