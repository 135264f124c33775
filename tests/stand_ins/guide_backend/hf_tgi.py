"""A stand-in for the guide's backend: its signatures over the reference client, with the same mistakes.

Nothing here is that project's text. Mistakes in parts of the reference client are made in ``mistakes``; the
others stand where they are made. What is mended does what the guide says.
"""

import hashlib
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import mistakes
import requests
from mistakes import wrong

from tgi_conformance.backends import reference
from tgi_conformance.backends.reference.settings import EndpointSettings

BUILT_IN = "https://api-inference.huggingface.co"
SETTINGS = (
    "max_retries",
    "initial_retry_delay",
    "backoff_factor",
    "max_retry_delay",
    "queue_enabled",
    "max_concurrent_requests",
    "queue_size",
)
COUNTERS = ("total_requests", "successful_requests", "failed_requests")
TOKENS = ("total_tokens", "input_tokens", "output_tokens")
_right_url = EndpointSettings.url


def _url(settings: EndpointSettings, route: str) -> str:
    """The router's places: the native form of a model stands under its name."""
    return _right_url(settings, f"/models/{settings.model}" if route == "/" else route)


EndpointSettings.url = _url  # type: ignore[method-assign]


class hf_tgi:  # noqa: N801 - the name that it has there
    """One client with endpoints."""

    _numbers = itertools.count(1)

    def __init__(self, resources: Any = None, metadata: Any = None) -> None:
        mistakes.once()
        self.resources, self.metadata = resources or {}, metadata or {}
        self.api_token = self.metadata.get("hf_api_key")
        self.max_retries, self.initial_retry_delay, self.backoff_factor = 5, 1, 2
        self.max_retry_delay, self.queue_enabled = 16, True
        self.max_concurrent_requests, self.queue_size = 5, 100
        self.default_model = "mistralai/Mistral-7B-Instruct-v0.2"
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.core, self._lock = reference.Client(), threading.Lock()

    # --- endpoints ------------------------------------------------------------------------------------------

    def create_endpoint(
        self, endpoint_id: str | None = None, api_key: str | None = None, **given: Any
    ) -> str:
        """Make an endpoint; ``base_url`` is taken where the built-in host is mended."""
        if api_key is None and wrong("key"):
            api_key = self.api_key  # type: ignore[attr-defined]  # it is called api_token
        if "base_url" in given and wrong("host"):
            raise TypeError("create_endpoint() got an unexpected keyword argument 'base_url'")
        made = endpoint_id or f"endpoint_{next(self._numbers)}"
        chosen = {name: given.get(name, getattr(self, name)) for name in SETTINGS}
        self.endpoints[made] = {"api_key": api_key, "base_url": given.get("base_url"), **chosen}
        if not (wrong("slots") or wrong("settings")):
            EndpointSettings(base_url=BUILT_IN, **chosen)
        return made

    def update_endpoint(self, endpoint_id: str, **given: Any) -> dict[str, Any]:
        """Change what an endpoint has."""
        table = self.endpoints[endpoint_id]
        table |= given
        if "core" in table and ("api_key" in given or not wrong("settings")):
            client, core = table["core"]
            client.update_endpoint(core, **given)
        return table

    def get_stats(self, endpoint_id: str | None = None) -> dict[str, Any]:
        """The counters of one endpoint, or of all."""
        if endpoint_id is not None:
            counts = self._counts(self.endpoints[endpoint_id])
            return counts | {"current_queue_size": counts.pop("queue_size")}
        counted = [self._counts(table) for table in self.endpoints.values()]
        total = {name: sum(counts[name] for counts in counted) for name in (*COUNTERS, *TOKENS)}
        running = sum(counts["current_requests"] for counts in counted)
        return total | {"endpoints_count": len(counted), "global_current_requests": running}

    def reset_stats(self, endpoint_id: str | None = None) -> None:
        """Begin to count anew."""
        for name, table in self.endpoints.items():
            if endpoint_id in (None, name) and "core" in table:
                client, core = table["core"]
                client.reset_stats(core)

    def _counts(self, table: dict[str, Any]) -> dict[str, int]:
        none = dict.fromkeys((*COUNTERS, *TOKENS, "current_requests", "queue_size"), 0)
        if "core" not in table:
            return none
        client, core = table["core"]
        seen = {name: value for name, value in client.get_stats(core).items() if name in none}
        hidden = (*COUNTERS, *TOKENS) if wrong("stats") else ()
        hidden += ("current_requests",) if wrong("count") else ()
        return seen | dict.fromkeys(hidden, 0)

    # --- calls ----------------------------------------------------------------------------------------------

    def make_post_request_hf_tgi(
        self,
        endpoint_url: str,
        data: Any,
        api_token: str | None = None,
        stream: bool = False,  # noqa: FBT001, FBT002 - its signature
        request_id: str | None = None,
        endpoint_id: str | None = None,
    ) -> Any:
        """Send a body; gives JSON, or the events of a stream."""
        base_url = self.endpoints.get(endpoint_id or "", {}).get("base_url")
        head = str(base_url).rstrip("/") if base_url else endpoint_url.partition("/models/")[0]
        model = endpoint_url.removeprefix(head).removeprefix("/models/")
        named = None if "messages" in data else model
        core = self._core(endpoint_id, head.removesuffix("/v1/chat/completions"), named, api_token)
        if request_id is None and wrong("ids"):
            request_id = f"req_{int(time.time())}_{hashlib.md5(repr(data).encode()).hexdigest()[:8]}"  # noqa: S324
        options: dict[str, Any] = {"endpoint_id": core, "request_id": request_id, "stream": stream}
        try:
            if "messages" in data:
                more = {name: value for name, value in data.items() if name != "messages"}
                result: Any = self.core.chat(data["messages"], **options, **more)
            else:
                result = self.core.generate(data["inputs"], **options, **(data.get("parameters") or {}))
        except reference.TGIError as error:
            raise self._told(error) from error
        return self._events(result) if stream else _value(result)

    def generate_text(
        self,
        model_id: str,
        inputs: Any,
        parameters: Any = None,
        api_token: str | None = None,
        request_id: str | None = None,
        endpoint_id: str | None = None,
    ) -> Any:
        """One answer."""
        url, data = (
            f"{self._base_of(endpoint_id)}/models/{model_id}",
            {"inputs": inputs, "parameters": parameters},
        )
        named = {"request_id": request_id, "endpoint_id": endpoint_id, "api_token": api_token}
        result = self.make_post_request_hf_tgi(url, data, **named)
        return result | ({"request_id": request_id} if request_id else {})

    def stream_generate(
        self,
        model_id: str,
        inputs: Any,
        parameters: Any = None,
        api_token: str | None = None,
        request_id: str | None = None,
        endpoint_id: str | None = None,
    ) -> Iterator[Any]:
        """The events of one answer."""
        url, data = (
            f"{self._base_of(endpoint_id)}/models/{model_id}",
            {"inputs": inputs, "parameters": parameters},
        )
        named: dict[str, Any] = {"request_id": request_id, "endpoint_id": endpoint_id, "api_token": api_token}
        for event in self.make_post_request_hf_tgi(url, data, stream=True, **named):
            yield event | ({"request_id": request_id} if request_id else {})

    def chat(
        self,
        model: str,
        messages: Sequence[Any],
        options: Any = None,
        request_id: str | None = None,
        endpoint_id: str | None = None,
    ) -> Any:
        """One answer to a conversation."""
        named = {"request_id": request_id, "endpoint_id": endpoint_id}
        if wrong("chat"):
            result = self.generate_text(model, _one_text(messages), None, **named)
            return {"text": result["generated_text"], "model": model} | named
        url = f"{self._base_of(endpoint_id)}/v1/chat/completions"
        data = {"model": model, "messages": messages, **(options or {})}
        return self.make_post_request_hf_tgi(url, data, **named)

    def stream_chat(
        self,
        model: str,
        messages: Sequence[Any],
        options: Any = None,
        request_id: str | None = None,
        endpoint_id: str | None = None,
    ) -> Iterator[Any]:
        """The pieces of an answer to a conversation."""
        named: dict[str, Any] = {"request_id": request_id, "endpoint_id": endpoint_id}
        if wrong("chat"):
            for event in self.stream_generate(model, _one_text(messages), None, **named):
                yield {"text": str(event), "done": False}
            return
        url = f"{self._base_of(endpoint_id)}/v1/chat/completions"
        data = {"model": model, "messages": messages, **(options or {})}
        yield from self.make_post_request_hf_tgi(url, data, stream=True, **named)

    def test_hf_tgi_endpoint(
        self, endpoint_url: str | None = None, api_token: str | None = None, model_id: str | None = None
    ) -> dict[str, Any]:
        """Whether an endpoint answers."""
        base_url = (endpoint_url or BUILT_IN).partition("/models/")[0]
        if wrong("probe"):
            base_url = next(
                (str(table["place"]) for table in self.endpoints.values() if "place" in table), BUILT_IN
            )
        model = model_id or self.default_model
        return {"success": bool(self.core.test_endpoint(base_url=base_url, api_key=api_token, model=model))}

    # --- beneath --------------------------------------------------------------------------------------------

    def _base_of(self, endpoint_id: str | None) -> str:
        return str(self.endpoints.get(endpoint_id or "", {}).get("base_url") or BUILT_IN)

    def _core(self, endpoint_id: str | None, base_url: str, model: str | None, api_token: str | None) -> str:
        """The reference client's endpoint behind one of ours, made at its first call."""
        if endpoint_id not in self.endpoints:
            if not wrong("unknown"):
                raise KeyError(f"there is no endpoint {endpoint_id!r}")
            self.create_endpoint(endpoint_id, api_token or self.api_token or "none")
        table = self.endpoints[endpoint_id or ""]
        chosen = {name: getattr(self, name) if wrong("settings") else table[name] for name in SETTINGS}
        if wrong("slots") and not chosen["max_concurrent_requests"] > 0:
            threading.Event().wait()  # no slot will ever be free
        with self._lock:
            if "core" not in table:
                made = self.core.create_endpoint(
                    base_url=table["base_url"] or base_url,
                    api_key=table["api_key"],
                    model=table.get("model") or model,
                    native_route="/",
                    **chosen,
                )
                table |= {"core": (self.core, made), "place": base_url}
        return str(table["core"][1])

    def _events(self, stream: Any) -> Iterator[dict[str, Any]]:
        whole = ""
        try:
            with stream:
                for piece in stream:
                    whole += piece.text
                    token = {"text": piece.text, "special": piece.special}
                    told = {"token": token, "text": piece.text, "done": piece.done}
                    told |= {"request_id": piece.request_id}
                    yield told | ({"generated_text": whole} if piece.done else {})
        except reference.TGIError as error:
            raise self._told(error) from error

    def _told(self, error: reference.TGIError) -> BaseException:
        """The error as the caller gets it."""
        if not wrong("errors"):
            if wrong("ids"):
                error.request_id = None
            return error
        if isinstance(error, reference.TransportError):
            return requests.ConnectionError(error.message)
        return ValueError(f"HF TGI request failed with status {error.status}: {error.message}")


def _value(answer: reference.Answer) -> dict[str, Any]:
    usage = answer.usage
    counts = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
    details = {"finish_reason": answer.finish_reason} if answer.finish_reason else {}
    named = {"text": answer.text, "generated_text": answer.text, "request_id": answer.request_id}
    return named | {"details": details, "usage": counts | {"total_tokens": usage.total_tokens}}


def _one_text(messages: Sequence[Any]) -> str:
    return "".join(f"[{message['role']}] {message['content']}\n" for message in messages)
