"""An answer as evidence keeps it: all that its plan says, and what of it had gone out, and when. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tgi_conformance.contracts.journal import AnswerPart, KeptAnswer, WireStep
from tgi_conformance.fake_server.engine.plans import Gate, Http2Head, Plan, Step, Wait, Write

#: Steps of one answer that are kept.
MOST_STEPS: Final = 4_000
_HEAD_END: Final = b"\r\n\r\n"
#: What no header has; a line with one of them is in the wire's bytes alone.
_ODD: Final = frozenset("\0\r\n")


def kept_answer(plan: Plan, times: Sequence[float], *, most: int) -> KeptAnswer:
    """The answer of a plan, ``most`` bytes of it; ``times``: when its writes went out, as far as they did."""
    each = iter(times)
    steps, dropped = _within((_wire_step(step, each) for step in plan.steps), most)
    repeat, more = _within((_wire_step(step, iter(())) for step in plan.repeat), most)
    (status, reason, headers), bodies = _read(plan, times)
    return KeptAnswer(
        status=plan.status if status is None else status,
        reason=reason,
        headers=headers,
        parts=_parts(bodies, most),
        dropped_bytes=dropped + more,
        wire=steps,
        ended=plan.ending,
        repeat=repeat,
    )


def _wire_step(step: Step, times: Iterator[float]) -> WireStep:
    if isinstance(step, Wait):
        return WireStep(wait=step.seconds)
    if isinstance(step, Gate):
        return WireStep(gate=step.name)
    return WireStep(data=step.data, at=next(times, None))


def _within(steps: Iterable[WireStep], most: int) -> tuple[tuple[WireStep, ...], int]:
    """The first steps, and how many bytes the others have."""
    kept: list[WireStep] = []
    size = dropped = 0
    for step in steps:
        size += len(step.data)
        if dropped or size > most or len(kept) == MOST_STEPS:
            dropped += len(step.data)
        else:
            kept.append(step)
    return tuple(kept), dropped


_Head = tuple[int | None, str, tuple[tuple[str, str], ...]]
_NO_HEAD: Final[_Head] = (None, "", ())


def _read(plan: Plan, times: Sequence[float]) -> tuple[_Head, Iterable[tuple[bytes, float]]]:
    """Status, reason and headers of what went out, and its body, write by write."""
    writes = [step for step in plan.steps if isinstance(step, Write)]
    gone = [(step, at) for step, at in zip(writes, times, strict=False) if not step.interim]
    heads = [step.head for step, _ in gone if step.head is not None]
    if heads:
        return _http2_head(heads[0]), [(step.data, at) for step, at in gone]
    return _read_http1([(step.data, at) for step, at in gone])


def _http2_head(head: Http2Head) -> _Head:
    return head.status, "", head.fields


def _read_http1(gone: Sequence[tuple[bytes, float]]) -> tuple[_Head, Iterable[tuple[bytes, float]]]:
    """Read writes of HTTP/1; what does not begin with a whole head has none, and is all body."""
    if not gone or not gone[0][0].startswith(b"HTTP/"):
        return _NO_HEAD, gone
    head = b""
    for number, (data, at) in enumerate(gone):
        head += data
        if _HEAD_END in head:
            head, _, rest = head.partition(_HEAD_END)
            told = _head_of(head)
            chunks = _Chunks() if _is_chunked(told) else None
            bodies = [(rest, at), *gone[number + 1 :]]
            return told, ((chunks.feed(body) if chunks else body, at) for body, at in bodies)
    return _head_of(head), ()


def _head_of(head: bytes) -> _Head:
    first, *lines = head.decode("latin-1").split("\r\n")
    _, code, reason = (*first.split(" ", 2), "", "")[:3]
    pairs = (line.partition(":") for line in lines)
    headers = tuple(
        (name, value.strip()) for name, colon, value in pairs if colon and name and not _ODD & {*name, *value}
    )
    return int(code) if code.isascii() and code.isdigit() else None, reason, headers


def _is_chunked(head: _Head) -> bool:
    return any(name.lower() == "transfer-encoding" and "chunked" in value for name, value in head[2])


def _parts(bodies: Iterable[tuple[bytes, float]], most: int) -> tuple[AnswerPart, ...]:
    parts: list[AnswerPart] = []
    size = 0
    for body, at in bodies:
        size += len(body)
        if size > most or len(parts) == MOST_STEPS:
            break
        if body:
            parts.append(AnswerPart(content=body, at=at))
    return tuple(parts)


class _Chunks:
    """Takes the framing of chunks away, write by write; what is no framing stays as it is."""

    def __init__(self) -> None:
        self._line = b""
        #: Bytes of the chunk, with its line end, that are still to come.
        self._left = 0
        self._bare = False

    def feed(self, data: bytes) -> bytes:
        """The payload in the bytes that come next."""
        payload = bytearray()
        while data and not self._bare:
            if self._left:
                piece, data = data[: self._left], data[self._left :]
                payload += piece[: max(self._left - 2, 0)]
                self._left -= len(piece)
                continue
            line, end, data = data.partition(b"\n")
            self._line += line
            if end:
                self._begin_chunk()
        return bytes(payload + data)

    def _begin_chunk(self) -> None:
        size, self._line = self._line.partition(b";")[0].strip(), b""
        if size:  # an empty line ends the trailers
            try:
                self._left = int(size, 16) + 2 if int(size, 16) else 0
            except ValueError:  # trailers, or no chunk at all
                self._bare = b":" not in size
