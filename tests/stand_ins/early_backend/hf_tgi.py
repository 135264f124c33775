"""A stand-in for the guide's backend as it was at first: no endpoint can be made, and a call never ends."""

from concurrent.futures import Future
from typing import Any


class hf_tgi:  # noqa: N801 - the name that it has there
    """It lacks what its own methods read."""

    def __init__(self, resources: Any = None, metadata: Any = None) -> None:
        self.resources, self.metadata = resources or {}, metadata or {}
        self.default_model = "a-model"

    def create_endpoint(self, **given: Any) -> str:
        """Ask for what is not there."""
        return str(self.queue_enabled or given)  # type: ignore[attr-defined]

    def make_post_request_hf_tgi(self, endpoint_url: str, data: Any, **_named: Any) -> Any:
        """Wait for an answer that nobody will give."""
        answer: Future[Any] = Future()
        return (endpoint_url, data, answer.result())
