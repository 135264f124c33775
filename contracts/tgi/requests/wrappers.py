"""The routes that wrap another: ``/invocations`` (SageMaker) and ``/vertex``; and the tokenizer's routes.

Measured (router 3.3.6-dev0): ``/invocations`` is the first of three requests that decodes; ``/vertex``
honours only max_new_tokens and seed, and masks every error as 500.
"""

from collections.abc import Mapping
from typing import Final

from tgi_conformance.contracts.json_texts import dumps
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.tgi.errors import TGIError
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest, request_of
from tgi_conformance.contracts.tgi.requests.decoding import decode_as
from tgi_conformance.contracts.tgi.requests.request_types import VERTEX
from tgi_conformance.contracts.tgi.tokens import tokens_text

_HONOURED: Final = ("max_new_tokens", "seed")

VERTEX_EMPTY: Final = TGIError("Input validation error", "Input validation error", 422)
VERTEX_FAILED: Final = TGIError("Incomplete generation", "Incomplete generation", 500)


def decode_vertex(body: bytes, content_type: str | None) -> tuple[GenerationRequest, ...]:
    """What a body of ``/vertex`` asks for, an instance each; raises ``BodyError``."""
    value = decode_as(VERTEX, body, content_type)
    instances = value["instances"]
    return tuple(_instance(item) for item in instances) if isinstance(instances, list) else ()


def _instance(item: JSON) -> GenerationRequest:
    value = item if isinstance(item, Mapping) else {}
    if "inputs" not in value:
        return request_of("chat", value)
    given = value.get("parameters")
    parameters = given if isinstance(given, Mapping) else {}
    kept = {name: parameters[name] for name in _HONOURED if name in parameters}
    return request_of(
        "generate", {"inputs": value["inputs"], "parameters": {**kept, "do_sample": True, "details": True}}
    )


def tokenize_answer(inputs: str) -> str:
    """The body of ``/tokenize``; the start token is always there, and empty."""
    return tokens_text(inputs)


def chat_tokenize_answer(prompt: str) -> str:
    """The body of ``/chat_tokenize``."""
    return f'{{"tokenize_response":{tokens_text(prompt, special=False)},"templated_text":{dumps(prompt)}}}'
