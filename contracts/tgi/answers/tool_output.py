"""What TGI makes of a text that a model wrote under the grammar of the tools.

The text is ``{"function": {"_name": NAME, ARGUMENT: VALUE, ...}}``. Plain answers parse the whole
text, streams watch it grow; both were measured (wire facts 10 to 13).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.json_reader import JsonReader
from tgi_conformance.contracts.schema.serde_errors import SerdeError, place
from tgi_conformance.contracts.tgi.errors import TGIError, handler_error
from tgi_conformance.contracts.tgi.requests.reading import read
from tgi_conformance.contracts.tgi.requests.request_types import CALL
from tgi_conformance.contracts.tgi.requests.serde_words import rust_debug
from tgi_conformance.contracts.tgi.requests.sources import TextSource
from tgi_conformance.contracts.tgi.requests.templates import NO_TOOL
from tgi_conformance.contracts.tgi.tokens import EOS

_WORD: Final = re.compile(r"\s*\S+|\s+")
_MARKS: Final = re.compile(r'["{}\[\]]|\\.?', re.DOTALL)


@dataclass(frozen=True, slots=True)
class ParsedCall:
    """A call that a text was parsed into."""

    name: str
    arguments: Mapping[str, JSON]


class ToolOutputError(ValueError):
    """A text that is no call; ``error`` is the 422 of a plain answer (a stream says nothing)."""

    def __init__(self, problem: str, text: str) -> None:
        message = f"Tool error: Failed to parse generated text: {problem} {rust_debug(text)}"
        super().__init__(message)
        self.error: TGIError = handler_error(message, "tool_error")


def call_text(name: str, arguments: Mapping[str, JSON]) -> tuple[str, ...]:
    """The tokens that a model under the tools' grammar writes for a call; the end is a token of its own."""
    text = json.dumps({"function": {"_name": name, **arguments}}, ensure_ascii=False)
    return (*_WORD.findall(text[:-2]), "}}")


def parse_call(text: str) -> ParsedCall:
    """Read a whole text; raises :class:`ToolOutputError`."""
    content = text.encode("utf-8", "surrogatepass")
    reader = JsonReader(content)
    try:
        call = cast("Mapping[str, Mapping[str, JSON]]", read(CALL, TextSource(reader)))
        reader.end()
    except SerdeError as broken:
        raise ToolOutputError(f"{broken.message} at {place(content, broken.offset or 0)}", text) from broken
    function = call["function"]
    return ParsedCall(
        cast("str", function["_name"]), {key: item for key, item in function.items() if key != "_name"}
    )


@dataclass(frozen=True, slots=True)
class ArgumentPiece:
    """One delta of a streamed call: which token it came with, the name (first only), the text."""

    token: int
    name: str | None
    text: str


def argument_pieces(tokens: Sequence[str]) -> Iterator[ArgumentPiece]:
    """The deltas of a streamed call; nothing while the text is no call.

    Tokens are held back until what there is, closed with ``}}``, is a call with a name; then each token
    is one delta, until the call is whole.
    """
    text = ""
    named = False
    nesting = _Nesting()
    for index, token in enumerate(tokens):
        if token == EOS:
            return
        text += token
        nesting.feed(token)
        if named:
            whole = nesting.closed and _closed(text)
            yield ArgumentPiece(index, None, token.removesuffix("}") if whole else token)
            if whole:
                return
            continue
        name = _name_so_far(text) if nesting.may_have_name else None
        if name is not None:
            named = True
            yield ArgumentPiece(index, name, "{")
            if nesting.closed and _closed(text):
                yield ArgumentPiece(index, None, "}")
                return


class _Nesting:
    """How deep a growing JSON text is nested, so that it is parsed only where that can succeed."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._closings = 0

    def feed(self, token: str) -> None:
        """Take the next piece of the text."""
        if self._escaped and token:
            token, self._escaped = token[1:], False
        for mark in _MARKS.findall(token):
            if mark == '"':
                self._in_string = not self._in_string
            elif self._in_string:
                # A backslash that is the last character escapes what the next piece begins with.
                self._escaped = mark == "\\"
            elif mark in "{[":
                self._depth += 1
            elif mark in "}]":
                self._depth -= 1
                self._closings += self._depth == 0

    @property
    def closed(self) -> bool:
        """Whether the text may be a whole value: it closes for the first time."""
        return self._depth == 0 and self._closings == 1 and not self._in_string

    @property
    def may_have_name(self) -> bool:
        """Whether ``}}`` may close the text, or nothing is left to be closed."""
        return self._depth in {0, 2} and self._closings <= 1 and not self._in_string


def picks_no_tool(tokens: Sequence[str]) -> bool:
    """Whether a text under the tools' grammar chooses to call nothing."""
    first = next(argument_pieces(tokens), None)
    return first is not None and first.name == NO_TOOL


def _name_so_far(text: str) -> str | None:
    try:
        value = json.loads(text.rstrip(" \t\n\r,") + "}}")
    except ValueError:
        try:
            value = json.loads(text)
        except ValueError:
            return None
    function = value.get("function") if isinstance(value, dict) else None
    name = function.get("_name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None


def _closed(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
