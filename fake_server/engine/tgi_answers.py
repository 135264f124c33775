"""What TGI's generations and errors look like as answers, in the form of each persona. Pure."""

from collections.abc import Sequence
from typing import Final

from tgi_conformance.contracts.json_texts import dumps
from tgi_conformance.contracts.script import Generation
from tgi_conformance.contracts.sse import encode_comment, encode_data
from tgi_conformance.contracts.tgi import headers as tgi_headers
from tgi_conformance.contracts.tgi.answers.bodies import Stamp, asks_twice, plain_answer
from tgi_conformance.contracts.tgi.answers.generated import Made, made_for_all
from tgi_conformance.contracts.tgi.answers.streams import error_data
from tgi_conformance.contracts.tgi.errors import TGIError
from tgi_conformance.contracts.tgi.personas import (
    HTML_TYPE,
    PERSONAS,
    ErrorForm,
    Traits,
    error_body,
    error_form,
    openai_error,
    plain_value,
    stream_frames,
)
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest
from tgi_conformance.fake_server.engine.answers import Answer
from tgi_conformance.fake_server.engine.heads import reason_of

TGI_3_3: Final = PERSONAS["tgi-3.3"]


def is_told_in_stream(error: TGIError, asked: GenerationRequest, traits: Traits) -> bool:
    """Whether an error comes as an event of the stream that was asked for."""
    return asked.stream and error.in_stream and not traits.openai and error.error_type not in traits.errors


def failed_answer(error: TGIError, asked: GenerationRequest, traits: Traits) -> Answer:
    """An error in place of a generation: in the stream where TGI says it there."""
    if is_told_in_stream(error, asked, traits):
        return stream_answer(error_data(error, asked), asked, traits)
    return told_error(error, traits)


def generated_answer(
    generation: Generation, asked: GenerationRequest, stamp: Stamp, traits: Traits, every: Sequence[Made]
) -> Answer:
    """A whole generation; raises ``ToolOutputError`` for tool output that is no call."""
    value = plain_answer(generation, asked, stamp, every)
    if traits is not TGI_3_3:
        value = plain_value(traits, asked.route, value, every[0].finish_reason)
    body = dumps(value).encode()
    if asks_twice(generation, asked):
        # What the headers tell is the second generation's.
        asked = asked.without_tools()
        every = made_for_all(generation, asked)
    measured = tgi_headers.Measured(
        characters=sum(map(len, asked.prompts)),
        prompt_tokens=sum(one.prompt_tokens for one in every),
        generated_tokens=sum(one.completion_tokens for one in every),
    )
    if not traits.compute_headers:
        return Answer(200, tgi_headers.json_error(), (body,))
    headers = tgi_headers.plain(measured, compute_time=asked.route != "completions")
    return Answer(200, headers, (body,))


def stream_answer(
    frames: Sequence[str], asked: GenerationRequest, traits: Traits, tokens: Sequence[str] = ()
) -> Answer:
    """A generation, or an error, as a stream of these frames."""
    if traits is not TGI_3_3:
        frames = stream_frames(traits, asked.route, frames, tokens)
    parts = tuple(encode_data(frame, blank=traits.blank) for frame in frames)
    if traits.comment is not None:
        parts = (encode_comment(traits.comment, "\n"), *parts)
    headers = tgi_headers.stream(sum(map(len, asked.prompts)))
    if not traits.compute_headers:
        headers = tuple(pair for pair in headers if not pair[0].startswith("x-"))
    return Answer(200, headers, parts, framing="chunked", streamed=True)


def told_error(error: TGIError, traits: Traits) -> Answer:
    """An error as a persona tells it."""
    if traits.openai and error.error_type is None:
        status = 400 if error.status == 422 else error.status
        return json_answer(status, dumps({"error": openai_error(error.message, ErrorForm(status))}))
    if not traits.openai and error.error_type not in traits.errors:
        return error_answer(error)
    form = error_form(traits, error)
    kind = ("content-type", HTML_TYPE) if form.html else tgi_headers.JSON_TYPE
    body = error_body(traits, error, reason_of(form.status)).encode()
    return Answer(form.status, (kind, *form.headers, *tgi_headers.CORS), (body,))


def keyless_answer(traits: Traits) -> Answer:
    """401: an empty body, or (of OpenAI's form) an error."""
    if not traits.openai:
        return empty_answer(401)
    error = openai_error("The API key is missing or wrong", ErrorForm(401, code="invalid_api_key"))
    return json_answer(401, dumps({"error": error}))


def error_answer(error: TGIError) -> Answer:
    """An error: JSON where one of TGI's handlers says it, text where the body was refused."""
    if error.error_type is None:
        return Answer(error.status, tgi_headers.text_error(), (error.message.encode(),))
    return json_answer(error.status, dumps(error.body()))


def json_answer(status: int, text: str) -> Answer:
    """JSON without x- headers."""
    return Answer(status, tgi_headers.json_error(), (text.encode(),))


def text_answer(status: int, text: str) -> Answer:
    """Plain text."""
    return Answer(status, tgi_headers.text_error(), (text.encode(),))


def empty_answer(status: int, *more: tuple[str, str]) -> Answer:
    """No body."""
    return Answer(status, (*tgi_headers.CORS, *more))
