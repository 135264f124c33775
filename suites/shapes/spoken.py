"""Scripted replies in the words of a server generation, as far as it has any for them. Pure.

A case that is played as another server has its shapes dressed (:mod:`.personas`). What it spells out itself
is in the words of TGI 3.3. Answers, errors and single events are translated here; a reply that the server
played cannot give, such as several events in the place of one, would show nothing of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import NATIVE_PERSONA, Event, Persona, Reply
from tgi_conformance.contracts.tgi.personas import DONE, PERSONAS, Traits, event_told, plain_told


class ForeignWordsError(ValueError):
    """A reply says what the server played never says; its text names that."""


def spoken_replies(persona: Persona, replies: Sequence[Reply]) -> Sequence[Reply]:
    """The replies in the persona's words; raises :class:`ForeignWordsError` where it has none for one."""
    if persona == NATIVE_PERSONA:
        return replies
    return [_spoken(PERSONAS[persona], reply) for reply in replies]


def _spoken(traits: Traits, reply: Reply) -> Reply:
    if reply.response is not None and isinstance(value := reply.response.body.json, Mapping):
        try:
            told = plain_told(traits, value, reply.response.status)
        except ValueError as broken:  # arguments that are no JSON, which a persona has as an object
            raise ForeignWordsError("arguments of a call that are no JSON") from broken
        body = replace(reply.response.body, json=told)
        return replace(reply, response=replace(reply.response, body=body))
    if reply.stream is not None:
        events = tuple(_event(traits, event) for event in reply.stream.events)
        if not traits.done and any(map(_is_done, events)):
            raise ForeignWordsError(f"the mark {DONE}")
        return replace(reply, stream=replace(reply.stream, events=events))
    return reply


def _event(traits: Traits, event: Event) -> Event:
    value: JSON = event.json if isinstance(event.json, Mapping) else {}
    told = event_told(traits, value) if isinstance(value, Mapping) else None
    if told is None:
        raise ForeignWordsError("an event of TGI 3.3")
    return replace(event, json=told) if value else event


def _is_done(event: Event) -> bool:
    return event.done or DONE.encode() in (event.raw or b"") or event.text == DONE
