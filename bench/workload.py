"""What every server is asked, and what it is to answer: one text of 64 words, whole or streamed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

WORDS: Final = tuple(f"w{number:03d}" for number in range(64))
TEXT: Final = " ".join(WORDS)
"""64 words of four letters: 64 pieces when cut at blanks, and when cut every five characters."""
PIECE: Final = 5
ROUTE: Final = "/v1/chat/completions"
COMPLETION: Final = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "tgi",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 64, "completion_tokens": 64, "total_tokens": 128},
}

Kind = Literal["plain", "stream"]


def chunk(word: str, *, last: bool = False) -> dict[str, object]:
    """One chunk of a streamed chat answer, as an OpenAI-like server sends it."""
    delta = {"role": "assistant", "content": word}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": "stop" if last else None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "tgi",
        "choices": [choice],
    }


def events() -> list[bytes]:
    """The frames of the streamed answer, for servers that are told bytes."""
    pieces = [WORDS[0], *(f" {word}" for word in WORDS[1:])]
    frames = [chunk(piece, last=index == len(pieces) - 1) for index, piece in enumerate(pieces)]
    return [f"data: {json.dumps(frame)}\n\n".encode() for frame in frames] + [b"data: [DONE]\n\n"]


def body(*, stream: bool) -> str:
    """The request body: the text as the user's message, so that an echoing server gives it back."""
    messages = [{"role": "user", "content": TEXT}]
    return json.dumps({"model": "tgi", "messages": messages, "max_tokens": 100, "stream": stream})


@dataclass(frozen=True, slots=True)
class Scenario:
    """A row group of the table: what is asked, and whether each request has a body of its own."""

    kind: Kind
    varied: bool = False

    @property
    def stream(self) -> bool:
        """Whether the answer is asked for as a stream."""
        return self.kind == "stream"


def lua(scenario: Scenario) -> str:
    """The script that makes ``wrk`` ask this; a varied body has a number of its own in its prompt."""
    text = body(stream=scenario.stream)
    headers = 'wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\n'
    if not scenario.varied:
        return f"{headers}wrk.body = [[{text}]]\n"
    numbered = text.replace(WORDS[0], "%08d", 1)
    return (
        f"{headers}local n = 0\nrequest = function()\n  n = n + 1\n"
        f'  return wrk.format("POST", nil, nil, string.format([[{numbered}]], n))\nend\n'
    )


def write_lua(scenario: Scenario, folder: Path) -> Path:
    """Write the script of a scenario into a folder; returns its path."""
    path = folder / f"{scenario.kind}{'-varied' if scenario.varied else ''}.lua"
    path.write_text(lua(scenario), encoding="ascii")
    return path
