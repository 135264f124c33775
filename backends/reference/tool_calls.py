"""Tool calls from whole answers and from the fragments of a stream. Pure."""

import json
from dataclasses import dataclass, field
from dataclasses import replace as with_changes

from tgi_conformance.backends.reference import json_values
from tgi_conformance.backends.reference.answers import CUT_BY_LENGTH, ToolCall, ToolCallDelta
from tgi_conformance.backends.reference.json_values import JSON, as_object, as_text


def tool_calls(value: JSON, *, finish_reason: str | None) -> tuple[ToolCall, ...]:
    """Read ``message.tool_calls``: a list, or one object as TGI up to 2.x sends it.

    A call is known by its presence, whatever the finish reason. ``arguments`` may be an object
    or the JSON text of one. A call of an answer that the length limit cut is not ``complete``.
    """
    entries = value if isinstance(value, list) else [value]
    complete = finish_reason != CUT_BY_LENGTH
    return tuple(_whole_call(entry, complete=complete) for entry in entries if isinstance(entry, dict))


def _whole_call(entry: dict[str, JSON], *, complete: bool) -> ToolCall:
    function = as_object(entry.get("function"))
    return _call(
        as_text(entry.get("id")),
        as_text(function.get("name")),
        function.get("arguments"),
        complete=complete,
    )


def _call(id_: str | None, name: str | None, arguments: JSON, *, complete: bool) -> ToolCall:
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    try:
        parsed = json_values.decode(raw.encode()) if isinstance(arguments, str) else arguments
    except ValueError:
        return ToolCall(name, None, raw, id_, complete=False)
    return ToolCall(name, parsed, raw, id_, complete=complete)


def deltas(value: JSON) -> tuple[ToolCallDelta, ...]:
    """Read ``delta.tool_calls``: a list, or one object. An entry without an index is the first."""
    entries = value if isinstance(value, list) else [value]
    return tuple(_delta(entry) for entry in entries if isinstance(entry, dict))


def _delta(entry: dict[str, JSON]) -> ToolCallDelta:
    function = as_object(entry.get("function"))
    arguments = function.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return ToolCallDelta(
        index=json_values.as_count(entry.get("index")) or 0,
        id=as_text(entry.get("id")),
        name=as_text(function.get("name")),
        arguments=arguments,
    )


@dataclass(slots=True)
class _Growing:
    id: str | None = None
    name: str | None = None
    fragments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ToolCallJoiner:
    """Joins the fragments of a stream, one call for each choice and index.

    The first name and id stand: TGI sends ``null`` as name, and the same id, in what follows.
    """

    _calls: dict[tuple[int, int], _Growing] = field(default_factory=dict)

    def add(self, choice: int, fragments: tuple[ToolCallDelta, ...]) -> None:
        """Take the fragments of one chunk."""
        for fragment in fragments:
            call = self._calls.setdefault((choice, fragment.index), _Growing())
            call.id = call.id or fragment.id
            call.name = call.name or fragment.name
            if fragment.arguments is not None:
                call.fragments.append(fragment.arguments)

    def calls(self, *, complete: bool) -> tuple[ToolCall, ...]:
        """Return the joined calls, in the order of choices and indexes."""
        joined = (self._calls[key] for key in sorted(self._calls))
        made = (_call(c.id, c.name, "".join(c.fragments), complete=True) for c in joined)
        return tuple(with_changes(call, complete=call.complete and complete) for call in made)
