"""What a backend may claim. A clause binds only if all its capabilities are claimed.

A backend that retries and does not claim ``retry`` is asked for the claim, once a run (clause DECL-01).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CAPABILITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "core": "endpoints, calls and answers: claimed by every backend",
        "stream": "calls that yield pieces as the server sends them",
        "native": "TGI's own routes: /, /generate, /generate_stream",
        "chat": "/v1/chat/completions",
        "completions": "/v1/completions",
        "retry": "failed attempts are made again within a declared policy",
        "breaker": "a circuit breaker holds calls back after repeated failures",
        "queue": "a cap on calls in flight and a bounded queue before it",
        "keys": "several endpoints, each with its own key, URL and settings",
        "rotate": "calls without an endpoint are spread over the endpoints",
        "stats": "usage statistics for an endpoint and in total",
        "reset": "statistics can be set back",
        "update": "the settings of an endpoint can be changed after it was made",
        "reqid": "a request id is sent, and given back with the result",
        "probe": "a test of an endpoint that says whether it is usable",
        "async": "calls are coroutines or async generators",
        "cancel": "a running, waiting or sleeping call can be taken back",
        "timeout": "a setting bounds how long a call may wait",
        "close": "endpoints and the backend can be closed",
        "tools": "tool definitions, tool choice and tool calls",
        "logprobs": "log probabilities of the generated tokens come back with the text",
        "grammar": "grammars and structured output",
        "img": "images as parts of chat messages, given by their URL",
        "img-bytes": "images as parts of chat messages, given as bytes or as a path",
        "img-native": "images on the native route",
    }
)
"""Name to meaning, in the order of the reports."""
