"""One call of a backend at a URL, made by a driver of its own: what a user of a reproducer does by hand."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.spec import parse_backend
from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.outcome import Outcome

KEY = "hf_of_the_user_who_plays_it_again"
#: Method and the fields of a body that are no parameters, by the end of the path.
_ROUTES = {
    "/chat/completions": ("chat", "messages"),
    "/completions": ("completions", "prompt"),
    "/generate": ("generate", "inputs"),
    "/generate_stream": ("generate", "inputs"),
}
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as the request of a right client tells of it."""

    method: str
    subject: object
    stream: bool
    parameters: dict[str, Any]

    @classmethod
    def by(cls, exchange: Exchange) -> "Asked":
        """Read the call off a request."""
        end = next(end for end in _ROUTES if exchange.path.endswith(end))
        method, subject = _ROUTES[end]
        body = json.loads(exchange.body)
        given = body.pop("parameters", {}) | body
        stream = bool(given.pop("stream", False)) or end == "/generate_stream"
        for name in ("model", "stream_options", "details", "decoder_input_details"):
            given.pop(name, None)
        return cls(method, given.pop(subject), stream, given)


def one_call(spec: str, url: str, asked: Asked, *, retries: int = 0) -> Outcome:
    """Start the backend, make an endpoint for the URL, and make the call."""
    driver = Driver.start(parse_backend(spec, folder=Path.cwd()))
    try:
        settings: dict[str, object] = {"max_retries": retries, "initial_retry_delay": 0.02}
        made = driver.call("create_endpoint", {"base_url": url, "api_key": KEY, **settings}).wait(_SECONDS)
        arguments = {
            "messages" if asked.method == "chat" else "prompt": asked.subject,
            "endpoint_id": made.value,
            **({"stream": True} if asked.stream else {}),
            **asked.parameters,
        }
        return driver.call(asked.method, arguments, stream=asked.stream).wait(_SECONDS)
    finally:
        driver.close()
