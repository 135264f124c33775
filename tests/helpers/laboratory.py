"""A recording as the laboratory of the genuine router made them: what ``record --convert`` reads."""

from typing import Any

LABORATORY: dict[str, Any] = {
    "case": "gen-minimal",
    "request": {
        "method": "POST",
        "path": "/generate",
        "headers": [["content-type", "application/json"], ["Connection", "close"]],
        "body": '{"inputs": "é"}',
    },
    "response": {
        "status": 200,
        "reason": "Fine",
        "headers": [["content-type", "application/json"], ["content-length", "9"]],
        "framing": "content-length",
        "body_end": "complete",
        "body": '{"a":"é"}',
        "head_ms": 4.5,
    },
}
