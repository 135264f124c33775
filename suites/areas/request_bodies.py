"""Request bodies as they were written: strict decoding, the lexemes of numbers, doubled names. Pure."""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from tgi_conformance.contracts.journal import Exchange, Journal, route_of
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.registry import validator
from tgi_conformance.suites.harness.expect import expect, expect_requests
from tgi_conformance.suites.shapes.calls import Shape

#: The schema of what the router accepts, by route.
SCHEMA_OF: Mapping[str, str] = {
    "/": "tgi/compat-request",
    "/generate": "tgi/generate-request",
    "/generate_stream": "tgi/generate-stream-request",
    "/v1/chat/completions": "tgi/chat-request",
    "/v1/completions": "tgi/completion-request",
}


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number as it was written."""

    lexeme: str

    @property
    def whole(self) -> bool:
        """Whether it is written as an integer."""
        return self.lexeme.lstrip("-").isdigit()


def strict(body: bytes) -> JSON:
    """Decode one strict JSON document in UTF-8 (no BOM, NaN or Infinity); raises ValueError."""
    text = body.decode("utf-8")
    if text.startswith("\ufeff"):
        raise ValueError("a byte order mark stands before the JSON text (RFC 8259 section 8.1)")
    value: JSON = json.loads(text, parse_constant=_refuse)
    return value


def expect_strict(exchange: Exchange) -> JSON:
    """The body of a request, which must be one strict JSON document."""
    problem = ""
    value: JSON = None
    try:
        value = strict(exchange.body)
    except ValueError as error:
        problem = str(error)
    expect(
        not problem,
        expected="a body of one strict JSON document in UTF-8",
        observed=f"{problem}: {exchange.body[:200]!r}",
    )
    return value


def lexemes(body: bytes) -> Any:
    """Decode a body with each number as a :class:`Number`."""
    return json.loads(body, parse_int=Number, parse_float=Number, parse_constant=Number)


def written_parameters(shape: Shape, exchange: Exchange) -> Mapping[str, Any]:
    """The generation parameters of a request, with each number as a :class:`Number`."""
    return shape.parameters_of(lexemes(exchange.body))


def top_level_names(body: bytes) -> tuple[str, ...]:
    """The names of the outermost object in the order written, doubled ones too."""
    names: list[tuple[str, ...]] = [()]

    def keep(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
        names.append(tuple(name for name, _ in pairs))
        return dict(pairs)

    json.loads(body, object_pairs_hook=keep)
    return names[-1]  # the outermost object is decoded last


def bad_nulls(exchange: Exchange) -> tuple[str, ...]:
    """Pointers to each ``null`` of a request where TGI's field takes none, by the schema of its route."""
    schema = SCHEMA_OF[route_of(exchange.path)]
    return tuple(
        "/" + "/".join(str(step) for step in error.absolute_path)
        for outer in validator(schema).iter_errors(exchange.json())
        for error in _leaves(outer)
        if error.instance is None
    )


def same_float32(wire: JSON, intent: float) -> bool:
    """Whether TGI, which reads 32-bit floats, reads the same number."""
    if isinstance(wire, bool) or not isinstance(wire, int | float):
        return False
    return wire == intent or _f32(wire) == _f32(intent)


def _f32(value: float) -> bytes:
    return struct.pack("<f", value)


def _leaves(error: Any) -> Iterator[Any]:
    if error.context:
        for inner in error.context:
            yield from _leaves(inner)
    else:
        yield error


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON (RFC 8259 section 6)")


def sent_once(journal: Journal) -> Exchange:
    """The one generation request of a case."""
    expect_requests(journal.generations, 1, because="one call was made", journal=journal)
    return journal.generations[0]
