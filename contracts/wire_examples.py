"""A few exchanges recorded with the genuine router, for use at run time.

The suites shape their stimuli on these, so that what a backend is fed follows recordings and not our own
server. The whole collection of recordings is in ``tests/recordings``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tgi_conformance.contracts.json_types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class WireExample:
    """One recorded exchange; ``frames`` of an event stream with their line ends, else ``body``."""

    name: str
    method: str
    path: str
    request: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: str = ""
    frames: tuple[str, ...] = ()

    @property
    def json(self) -> JSON:
        """The body as JSON."""
        value: JSON = json.loads(self.body)
        return value

    @property
    def events(self) -> tuple[Mapping[str, JSON], ...]:
        """The JSON events of a stream, ``[DONE]`` left out."""
        datas = (frame.removeprefix("data: ").strip() for frame in self.frames)
        return tuple(json.loads(data) for data in datas if data.startswith("{"))


@cache
def _examples() -> Mapping[str, WireExample]:
    text = files("tgi_conformance.contracts").joinpath("examples/tgi-3.3.json").read_text("utf-8")
    exchanges = json.loads(text)["exchanges"]
    return {
        name: WireExample(
            name=name,
            method=entry["method"],
            path=entry["path"],
            request=entry["request"],
            status=entry["status"],
            headers=tuple((key, value) for key, value in entry["headers"]),
            body=entry.get("body", ""),
            frames=tuple(entry.get("frames", ())),
        )
        for name, entry in exchanges.items()
    }


def wire_example(name: str) -> WireExample:
    """Look up a recorded exchange by its case name; KeyError lists the names there are."""
    examples = _examples()
    if name not in examples:
        raise KeyError(f"no recorded exchange {name!r}; there are: {', '.join(sorted(examples))}")
    return examples[name]
