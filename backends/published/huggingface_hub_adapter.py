"""Adapters for ``huggingface_hub``: InferenceClient (sync face) and AsyncInferenceClient (async face)."""

import itertools
import math
from importlib.metadata import version

import httpx2
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, TextGenerationError

# `details` and `decoder_input_details` change the type of the answer and are left out.
GENERATE = """adapter_id best_of do_sample frequency_penalty grammar max_new_tokens repetition_penalty
return_full_text seed stop temperature top_k top_n_tokens top_p truncate typical_p watermark""".split()
CHAT = """frequency_penalty logit_bias logprobs max_tokens n presence_penalty response_format seed stop stream_options
temperature tool_choice tool_prompt tools top_logprobs top_p model""".split()
CAPABILITIES = "core native chat stream keys timeout close tools grammar img".split()
KINDS = {401: "auth", 403: "auth", 404: "not_found", 413: "payload_too_large", 422: "validation"}
KINDS |= {424: "server_error", 429: "rate_limited", None: "remote_error"}
TGI_KINDS = {"ValidationError": "validation", "OverloadedError": "overloaded"}


class Adapter:
    """The sync face."""

    client = InferenceClient
    extra = ()

    def __init__(self):
        self.clients, self.models, self.numbers = {}, {}, itertools.count(1)

    def describe(self):
        return {
            "name": f"huggingface_hub-{self.client.__name__}",
            "version": version("huggingface_hub"),
            "capabilities": [*CAPABILITIES, *self.extra],
            "settings": ["model", "timeout", "headers"],
            "parameters": {"generate": GENERATE, "chat": CHAT},
            "defaults": {"connect_timeout": math.inf, "read_timeout": math.inf},
        }

    def create_endpoint(self, *, base_url, api_key, model=None, **settings):
        endpoint = f"endpoint-{next(self.numbers)}"
        self.models[endpoint] = model
        self.clients[endpoint] = self.client(base_url=base_url, api_key=api_key, **settings)
        return endpoint

    def generate(self, prompt, *, endpoint_id, stream=False, **parameters):
        return self.clients[endpoint_id].text_generation(prompt, stream=stream, **parameters)

    def chat(self, messages, *, endpoint_id, stream=False, **parameters):
        given = {"model": self.models[endpoint_id], "stream": stream} | parameters
        result = self.clients[endpoint_id].chat_completion(messages, **given)
        return map(piece, result) if stream else answer(result)

    def close_endpoint(self, endpoint_id):
        self.clients[endpoint_id].close()

    def close(self):
        for client in self.clients.values():
            client.close()

    def classify(self, error):
        response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
        status = getattr(response, "status_code", None)
        name = type(error).__name__
        if isinstance(error, (InferenceTimeoutError, httpx2.TimeoutException)):
            kind = "timeout"
        elif name in TGI_KINDS:
            kind = TGI_KINDS[name]
        elif isinstance(error, (TextGenerationError, HfHubHTTPError)):
            kind = KINDS.get(status, "server_error" if (status or 0) >= 500 else "bad_request")
        else:
            kind = "transport" if isinstance(error, httpx2.TransportError) else "unmapped"
        return {"kind": kind, "message": str(error)} | ({"status": status} if status else {})


class AsyncAdapter(Adapter):
    """The async face."""

    client, extra = AsyncInferenceClient, ("async", "cancel")

    async def generate(self, prompt, *, endpoint_id, stream=False, **parameters):
        return await self.clients[endpoint_id].text_generation(prompt, stream=stream, **parameters)

    async def chat(self, messages, *, endpoint_id, stream=False, **parameters):
        given = {"model": self.models[endpoint_id], "stream": stream} | parameters
        result = await self.clients[endpoint_id].chat_completion(messages, **given)
        return (piece(chunk) async for chunk in result) if stream else answer(result)

    async def close_endpoint(self, endpoint_id):
        await self.clients[endpoint_id].close()

    async def close(self):
        for client in self.clients.values():
            await client.close()


# The client checks no answer: any field of it may be None, or of another type than it is declared to be.
def answer(result):
    given = {"usage": usage(result)}
    for choice in (result.choices or [])[:1]:
        functions = [call.function for call in calls_of(choice.message)]
        calls = [{"name": function.name, "arguments": function.arguments} for function in functions]
        text = getattr(choice.message, "content", None)
        given |= {"text": text, "finish_reason": choice.finish_reason, "tool_calls": calls}
    return given


def piece(chunk):
    given = {"usage": usage(chunk)}
    for choice in (chunk.choices or [])[:1]:
        given |= {"text": getattr(choice.delta, "content", None), "finish_reason": choice.finish_reason}
        given["tool_call_delta"] = [delta(call) for call in calls_of(choice.delta)]
    return given


def delta(call):
    function = {name: getattr(call.function, name, None) for name in ("name", "arguments")}
    return {"index": call.index, "id": call.id} | function


def calls_of(message):
    calls = getattr(message, "tool_calls", None)
    return calls if isinstance(calls, list) else []


def usage(result):
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return result.usage and {name: getattr(result.usage, name) for name in names}
