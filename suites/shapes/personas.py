"""The call shapes in the words of another server generation (persona).

The forms are :mod:`tgi_conformance.contracts.tgi.personas`' own, laid over frames cut from recorded
exchanges: of the other generations nothing was recorded here.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import cast

from tgi_conformance.contracts.adapter import Description
from tgi_conformance.contracts.journal import GENERATION_ROUTES, Journal
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import (
    NATIVE_PERSONA,
    Encoding,
    Event,
    EventStream,
    Persona,
    Reply,
    Server,
    comment,
    data,
    done,
)
from tgi_conformance.contracts.tgi.personas import DONE, PERSONAS, Traits, plain_value, stream_frames
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, SHAPES, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonaShape(Shape):
    """A call shape as a server of another generation answers it.

    The methods of :class:`Shape` are named in full: a slotted dataclass has no ``super()``.
    """

    persona: Persona

    @property
    def traits(self) -> Traits:
        """What the persona does differently from TGI 3.3."""
        return PERSONAS[self.persona]

    def body(self, text: str, *, finish: str = "length", usage: tuple[int, int] | None = None) -> JSON:
        """The JSON of a plain answer; ``finish`` "stop" becomes the persona's own word for it."""
        told = Shape.body(self, text, finish=finish, usage=usage)
        return plain_value(self.traits, self.name, told, "eos_token")

    def events(self, tokens: Sequence[str], *, finish: str = "length") -> tuple[Event, ...]:
        """The frames of a healthy stream, the end marks that the persona has included."""
        return self._told(Shape.events(self, tokens, finish=finish))

    def open_events(self, tokens: Sequence[str]) -> tuple[Event, ...]:
        """Frames of these tokens with no end mark after them."""
        return self._told(Shape.open_events(self, tokens))

    def error_event(self, message: str, error_type: str = "generation") -> Event:
        """An error inside a stream."""
        (event,) = self._told((Shape.error_event(self, message, error_type),))
        return event

    def frames(self, *events: Event, **more: object) -> Reply:
        """A stream of any frames, after the comment that the persona begins with, in its encoding."""
        if self.traits.comment is not None:
            events = (comment(self.traits.comment), *events)
        encoding = more.pop("encoding", Encoding(blank=self.traits.blank))
        return Reply(stream=EventStream(events=events, encoding=cast("Encoding", encoding), **more))  # type: ignore[arg-type]

    def _told(self, events: Sequence[Event]) -> tuple[Event, ...]:
        words = [DONE if event.done else json.dumps(event.json) for event in events]
        told = stream_frames(self.traits, self.name, words, ())
        return tuple(done() if word == DONE else data(json.loads(word)) for word in told)


def dressed(shape: Shape, persona: Persona) -> Shape:
    """The shape as that persona answers it; TGI 3.3's is the shape itself."""
    if persona == NATIVE_PERSONA or isinstance(shape, PersonaShape):
        return shape
    own = {field.name: getattr(shape, field.name) for field in fields(Shape)}
    if shape.name == NATIVE.name and (model := model_served(persona)):
        own |= dict.fromkeys(("plain_paths", "stream_paths"), (f"/models/{model}",))
    own["ends_with_done"] = shape.ends_with_done and PERSONAS[persona].done
    return PersonaShape(**own, persona=persona)


def dress_parameters(tests: Iterable[object], persona: Persona) -> None:
    """Give each of pytest's tests its parameter ``shape`` as the server that the run plays answers it."""
    for test in tests:
        given = getattr(getattr(test, "callspec", None), "params", {})
        if isinstance(shape := given.get("shape"), Shape):
            given["shape"] = dressed(shape, persona)


def claimed_shapes(description: Description, wanted: Sequence[Shape], having: tuple[str, ...]) -> list[Shape]:
    """The shapes whose calls a backend claims, and that offer these parameters."""
    return [
        shape
        for shape in wanted
        if shape.capability in description.capabilities
        and set(having) <= description.parameters.get(shape.method, frozenset())
    ]


def model_served(persona: Persona) -> str | None:
    """The model that requests have to name where a persona routes by it; on TGI it would be a LoRA id."""
    return Server().model_id if PERSONAS[persona].by_model else None


def not_there(persona: Persona, journal: Journal) -> str:
    """The route of TGI 3.3 that was asked for and that the persona does not have; empty: none."""
    traits = PERSONAS[persona]
    asked = (exchange.path for exchange in journal if exchange.path in GENERATION_ROUTES)
    return next((path for path in asked if not traits.serves(path) or (traits.by_model and path == "/")), "")


def is_served(shape: Shape, persona: Persona) -> bool:
    """Whether a persona has the route of a shape; one that routes by model may have the native form too.

    Whether a client goes there, under the model's own path, is seen when it is asked.
    """
    by_model = PERSONAS[persona].by_model and shape.name == NATIVE.name
    return by_model or shape.name in {each.name for each in served(persona)}


def served(persona: Persona) -> tuple[Shape, ...]:
    """The shapes whose routes there are, by preference.

    The hosted router has the native form under the model's own path alone, where no clause sends a client.
    """
    traits = PERSONAS[persona]
    there = {
        CHAT.name: traits.serves("/v1/chat/completions"),
        NATIVE.name: traits.serves("/generate") and not traits.by_model,
        COMPLETIONS.name: traits.serves("/v1/completions"),
    }
    return tuple(shape for shape in SHAPES if there[shape.name])
