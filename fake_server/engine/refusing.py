"""The answers to what is no whole request, as bytes: nothing of it is known that they could depend on."""

from typing import Final

from tgi_conformance.contracts.tgi.errors import BROKEN_BODY
from tgi_conformance.fake_server.engine.answers import Exchange
from tgi_conformance.fake_server.engine.layout import plan_answer
from tgi_conformance.fake_server.engine.plans import Write
from tgi_conformance.fake_server.engine.tgi_answers import error_answer

_REASONS: Final = {400: "Bad Request", 431: "Request Header Fields Too Large"}


def refuse_bytes(status: int, date: str) -> bytes:
    """The answer to bytes that are no request (400, 431), or to a body that broke off (0)."""
    if status == 0:
        plan = plan_answer(error_answer(BROKEN_BODY), Exchange(date=date))
        return b"".join(step.data for step in plan.steps if isinstance(step, Write))
    lines = f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\nconnection: close\r\ncontent-length: 0\r\n"
    return f"{lines}date: {date}\r\n\r\n".encode("ascii")
