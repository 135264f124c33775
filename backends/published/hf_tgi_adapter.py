"""Adapters for ``hf_tgi`` of ipfs_accelerate_py: a client for each key, endpoints of one client, chat, handlers."""

from urllib.parse import urlsplit

import requests

try:
    from ipfs_accelerate_py.api_backends.hf_tgi import hf_tgi
except ImportError:  # the file alone is on the path
    from hf_tgi import hf_tgi

SETTINGS = """max_retries initial_retry_delay backoff_factor max_retry_delay queue_enabled queue_size
max_concurrent_requests model""".split()
GENERATE = """best_of decoder_input_details details do_sample frequency_penalty grammar max_new_tokens
repetition_penalty return_full_text seed stop temperature top_k top_n_tokens top_p truncate typical_p watermark"""
CAPABILITIES = "native stream retry breaker queue keys stats reset update reqid probe"
RETRY = {"statuses": [*range(400, 600)], "faults": ["refused", "reset", "closed", "timeout"]}
RETRY |= {"max_retries": 5, "initial_delay": 1, "factor": 2, "max_delay": 16, "jitter": [1, 1]}
LIMITS = {"connect_timeout": 60, "read_timeout": 60, "max_concurrent_requests": 5, "queue_size": 100}
KINDS = (
    ((requests.Timeout, TimeoutError), "timeout"),
    ((requests.exceptions.InvalidJSONError, requests.exceptions.ContentDecodingError), "protocol"),
    ((requests.ConnectionError, requests.exceptions.ChunkedEncodingError), "transport"),
    (RuntimeError, "refused"),  # by an open breaker
)
STATISTICS = {"current_queue_size": "queue_size", "global_queue_size": "queue_size"}
STATISTICS |= {"global_current_requests": "current_requests"}


class Moved(hf_tgi):  # the endpoint's host in place of the one that is built in, and nothing else
    def make_post_request_hf_tgi(self, endpoint_url, *given, endpoint_id=None, **named):
        host = self.endpoints.get(endpoint_id, {}).get("host", getattr(self, "host", None))
        url = host.geturl() + urlsplit(endpoint_url).path if host else endpoint_url
        return super().make_post_request_hf_tgi(url, *given, endpoint_id=endpoint_id, **named)


class Adapter:  # a client for each key, with the settings on it, as the guide's own test makes them
    name, capabilities, offered = "hf_tgi", CAPABILITIES, GENERATE
    chatted = "max_tokens temperature top_p"

    def __init__(self):
        self.client, self.clients = Moved(), {}

    def describe(self):
        described = {"name": self.name, "settings": SETTINGS, "retry": RETRY, "defaults": LIMITS}
        described |= {"parameters": {"generate": self.offered.split(), "chat": self.chatted.split()}}
        described |= {"breaker": {"failures": 5, "delay": 30}, "request_id_header": "X-Request-ID"}
        return described | {"capabilities": self.capabilities.split(), "returns": "full_text"}

    def take_client(self, api_key, settings):
        endpoints, self.client = self.client.endpoints, Moved(metadata={"hf_api_key": api_key})
        vars(self.client).update(settings, endpoints=endpoints)

    def create_endpoint(self, *, base_url, api_key, model=None, **settings):
        self.take_client(api_key, settings)
        made, client = self.client.create_endpoint(api_key=api_key, **settings), self.client
        client.host = urlsplit(base_url)._replace(path="", query="")
        client.endpoints[made] |= {"host": client.host, "model": model or client.default_model}
        self.clients[made] = client
        return made

    def called(self, endpoint_id):
        client = self.clients.get(endpoint_id, self.client)
        return client, client.endpoints.get(endpoint_id, {}).get("model", client.default_model)

    def generate(self, prompt, *, endpoint_id, stream=False, request_id=None, **parameters):
        client, model = self.called(endpoint_id)
        call = client.stream_generate if stream else client.generate_text
        result = call(model, prompt, parameters, request_id=request_id, endpoint_id=endpoint_id)
        return map(piece, result) if stream else answer(result)

    def test_endpoint(self, *, base_url, api_key, model=None):
        url = f"{base_url}/models/{model or self.client.default_model}"
        return self.client.test_hf_tgi_endpoint(url, api_key, model)["success"]

    def get_stats(self, endpoint_id=None):
        stats = self.clients.get(endpoint_id, self.client).get_stats(endpoint_id)
        return {STATISTICS.get(name, name): value for name, value in stats.items()}

    def update_endpoint(self, endpoint_id, **settings):
        self.clients[endpoint_id].update_endpoint(endpoint_id, **settings)

    def reset_stats(self, endpoint_id=None):
        self.client.reset_stats(endpoint_id)

    def classify(self, error):
        kind = next((kind for types, kind in KINDS if isinstance(error, types)), "unmapped")
        return {"kind": kind, "message": str(error)}


class EndpointsAdapter(Adapter):  # endpoints of one client, as the guide's page makes them
    name, take_client = "hf_tgi-endpoints", lambda *_: None


class ChatAdapter(Adapter):
    name, capabilities = "hf_tgi-chat", f"{CAPABILITIES} chat img"

    def chat(self, messages, *, endpoint_id, stream=False, request_id=None, **options):
        client, model = self.called(endpoint_id)
        call = client.stream_chat if stream else client.chat
        result = call(model, messages, options, request_id, endpoint_id)
        return map(told, result) if stream else told(result)


class AsyncAdapter(Adapter):  # the handlers that the client makes
    name, capabilities = "hf_tgi-handler", f"{CAPABILITIES} async cancel"
    offered = "max_new_tokens temperature top_p do_sample return_full_text"

    async def generate(self, prompt, *, endpoint_id, stream=False, **named):
        client, model = self.called(endpoint_id)
        make = client.create_remote_text_generation_endpoint_handler
        result = await make(endpoint_id=endpoint_id)(prompt, model=model, stream=stream, **named)
        return (told(each) async for each in result) if stream else told(result)


def answer(result):
    details, given = result.get("details") or {}, {"text": result.get("generated_text")}
    given |= {name: details[name] for name in ("finish_reason",) if name in details}
    return given | {"request_id": result.get("request_id")}


def piece(chunk):
    token, given = chunk.get("token") or chunk, {"done": chunk.get("generated_text") is not None}
    given |= {"text": token.get("text", ""), "special": token.get("special", False)}
    return given | {"request_id": chunk.get("request_id")}


def told(result):
    return {name: result[name] for name in ("text", "usage", "done", "request_id") if name in result}
