"""Headers that come into a plan after it was laid out."""

from collections.abc import MutableSequence, Sequence
from dataclasses import replace

from tgi_conformance.fake_server.engine.plans import Http2Head, Plan, Step, Write


def announce_close(steps: MutableSequence[Step]) -> None:
    """Say in a head that is still to be written that the connection will be closed, as hyper does then."""
    index = _head_step(steps)
    if index is not None:
        steps[index] = _with_line(steps[index], b"connection: close")


def with_header(plan: Plan, name: str, value: str) -> Plan:
    """The same plan with one more header before the date; a plan without a head stays as it is."""
    steps = list(plan.steps)
    index = _head_step(steps)
    if index is None:
        return plan
    step = steps[index]
    if isinstance(step, Write) and step.head is not None:
        steps[index] = replace(step, head=_with_field(step.head, name.lower(), value))
    else:
        steps[index] = _with_line(step, f"{name}: {value}".encode("latin-1"))
    return replace(plan, steps=tuple(steps))


def _head_step(steps: Sequence[Step]) -> int | None:
    """Which step writes the head."""
    for index, step in enumerate(steps):
        if not isinstance(step, Write) or step.interim:
            continue
        if step.head is not None or step.data.startswith(b"HTTP/1.1 "):
            return index
    return None


def _with_field(head: Http2Head, name: str, value: str) -> Http2Head:
    """The head with a field before its date."""
    place = next((i for i, (known, _) in enumerate(head.fields) if known == "date"), len(head.fields))
    return replace(head, fields=(*head.fields[:place], (name, value), *head.fields[place:]))


def _with_line(step: Step, line: bytes) -> Step:
    if not isinstance(step, Write):
        return step
    head, end, body = step.data.partition(b"\r\n\r\n")
    if b"\r\n" + line not in head:
        head = head.replace(b"\r\ndate: ", b"\r\n" + line + b"\r\ndate: ", 1)
    return Write(head + end + body)
