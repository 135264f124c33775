"""Adapters for ``text-generation``: Client (sync face) and AsyncClient (async face)."""

import itertools
from importlib.metadata import version

import aiohttp
import requests
from text_generation import AsyncClient, Client, errors

GENERATE = """do_sample max_new_tokens best_of repetition_penalty frequency_penalty return_full_text seed stop_sequences
temperature top_k top_p truncate typical_p watermark decoder_input_details top_n_tokens grammar""".split()
CHAT = """repetition_penalty frequency_penalty logit_bias logprobs top_logprobs max_tokens n presence_penalty seed
temperature top_p tools tool_choice""".split()
USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")
CAPABILITIES = "core native chat stream keys timeout tools grammar".split()
#: Types that stand for one HTTP status each.
STATUSES = {errors.BadRequestError: 400, errors.NotFoundError: 404}
STATUSES |= {errors.RateLimitExceededError: 429, errors.ShardTimeoutError: 504}
KINDS = (
    (errors.ValidationError, "validation"),
    (errors.BadRequestError, "bad_request"),
    (errors.NotFoundError, "not_found"),
    (errors.RateLimitExceededError, "rate_limited"),
    (errors.OverloadedError, "overloaded"),
    ((errors.GenerationError, errors.IncompleteGenerationError, errors.UnknownError), "remote_error"),
    ((errors.ShardNotReadyError, errors.ShardTimeoutError), "server_error"),
    ((requests.Timeout, TimeoutError), "timeout"),
    (aiohttp.ClientResponseError, "protocol"),
    ((requests.ConnectionError, requests.exceptions.ChunkedEncodingError, aiohttp.ClientError), "transport"),
)


class Adapter:
    """The sync face."""

    client = Client
    extra = ()
    #: What the default of 10 s limits.
    limits = ("connect_timeout", "read_timeout")

    def __init__(self):
        self.clients, self.numbers = {}, itertools.count(1)

    def describe(self):
        names = {"stop_sequences": "stop"}
        return {
            "name": f"text-generation-{self.client.__name__}",
            "version": version("text-generation"),
            "capabilities": [*CAPABILITIES, *self.extra],
            "settings": ["timeout"],
            "parameters": {"generate": [names.get(name, name) for name in GENERATE], "chat": CHAT},
            "defaults": {
                **dict.fromkeys(self.limits, 10),
                "parameters": {"do_sample": False, "max_new_tokens": 20, "stop": [], "watermark": False},
            },
        }

    def create_endpoint(self, *, base_url, api_key, model=None, timeout=10):
        endpoint = f"endpoint-{next(self.numbers)}"
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else None
        self.clients[endpoint] = self.client(base_url, headers=headers, timeout=timeout)
        return endpoint

    def generate(self, prompt, *, endpoint_id, stream=False, stop=None, **parameters):
        client = self.clients[endpoint_id]
        if stream:
            return map(token, client.generate_stream(prompt, stop_sequences=stop, **parameters))
        return whole(client.generate(prompt, stop_sequences=stop, **parameters))

    def chat(self, messages, *, endpoint_id, stream=False, **parameters):
        result = self.clients[endpoint_id].chat(messages, stream=stream, **parameters)
        return map(chunk, result) if stream else message(result)

    def classify(self, error):
        kind = next((kind for types, kind in KINDS if isinstance(error, types)), "unmapped")
        status = STATUSES.get(type(error)) or getattr(error, "status", None)
        return {"kind": kind, "message": str(error)} | ({"status": status} if status else {})


class AsyncAdapter(Adapter):
    """The async face."""

    client, extra = AsyncClient, ("async", "cancel")
    limits = ("total_timeout",)

    async def generate(self, prompt, *, endpoint_id, stream=False, stop=None, **parameters):
        client = self.clients[endpoint_id]
        if stream:
            return (
                token(item)
                async for item in client.generate_stream(prompt, stop_sequences=stop, **parameters)
            )
        return whole(await client.generate(prompt, stop_sequences=stop, **parameters))

    async def chat(self, messages, *, endpoint_id, stream=False, **parameters):
        result = await self.clients[endpoint_id].chat(messages, stream=stream, **parameters)
        return (chunk(item) async for item in result) if stream else message(result)


def whole(result):
    return {"text": result.generated_text, "finish_reason": result.details.finish_reason.value}


def token(item):
    return {"text": item.token.text, "special": item.token.special, "done": item.generated_text is not None}


def message(result):
    given = {}
    for choice in result.choices[:1]:
        functions = [call["function"] for call in choice.message.tool_calls or []]
        calls = [{"name": function["name"], "arguments": function["arguments"]} for function in functions]
        given = {"text": choice.message.content, "finish_reason": choice.finish_reason, "tool_calls": calls}
        given["usage"] = result.usage and {name: result.usage.get(name) for name in USAGE}
    return given


def chunk(item):
    choice = item.choices[0]
    given = {"text": choice.delta.content, "finish_reason": choice.finish_reason}
    if call := choice.delta.tool_calls:
        function = {"name": call.function.name, "arguments": call.function.arguments}
        given["tool_call_delta"] = [{"index": call.index, "id": call.id} | function]
    return given
