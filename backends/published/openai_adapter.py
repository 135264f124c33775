"""Adapters for ``openai``: OpenAI (sync face) and AsyncOpenAI (async face)."""

import itertools
from json import JSONDecodeError
from operator import attrgetter
from urllib.parse import urlsplit

import openai

CLAIMED = "core chat completions stream keys retry timeout update close tools grammar logprobs img".split()
CHAT = """frequency_penalty guideline headers logit_bias logprobs max_tokens model n presence_penalty response_format
seed stop stream_options temperature tool_choice tool_prompt tools top_logprobs top_p""".split()
TEXT = "frequency_penalty headers max_tokens model repetition_penalty seed stop suffix temperature top_p"
BODY = {"guideline", "tool_prompt", "repetition_penalty"}  # TGI's own: `create` takes them in `extra_body`
RETRY = {"statuses": [408, 409, 429, *range(500, 600)], "faults": ["refused", "reset", "closed", "timeout"]}
RETRY |= {"max_retries": 2, "initial_delay": 0.5, "factor": 2, "max_delay": 8, "jitter": [0.75, 1]}
KINDS = {401: "auth", 403: "auth", 404: "not_found", 422: "validation", 424: "server_error"}
KINDS |= {413: "payload_too_large", 429: "rate_limited"}
TYPES = {openai.APITimeoutError: "timeout", openai.APIConnectionError: "transport"}
TYPES |= {openai.InternalServerError: "server_error", openai.APIStatusError: "bad_request"}
TYPES |= {openai.APIError: "remote_error", JSONDecodeError: "protocol", UnicodeDecodeError: "protocol"}


class Adapter:
    """The sync face."""

    client, stream, extra = openai.OpenAI, openai.Stream, ()

    def __init__(self):
        self.clients, self.models, self.numbers = {}, {}, itertools.count(1)

    def describe(self):
        return {
            "name": f"openai-{self.client.__name__}",
            "version": openai.__version__,
            "capabilities": [*CLAIMED, *self.extra],
            "settings": ["model", "max_retries", "timeout", "headers"],
            "parameters": {"chat": CHAT, "completions": TEXT.split()},
            "retry": RETRY | {"max_retry_after": 120},
            "defaults": {"connect_timeout": 5, "read_timeout": 600, "placeholder_key": "-"},
        }

    def create_endpoint(self, *, base_url, api_key, model="tgi", headers=None, **settings):
        endpoint, url = f"endpoint-{next(self.numbers)}", urlsplit(base_url)
        url = url._replace(path=url.path + ("v1/" if url.path.endswith("/") else "/v1")).geturl()
        given = {"base_url": url, "api_key": api_key or "-"} | settings
        self.clients[endpoint], self.models[endpoint] = self.client(default_headers=headers, **given), model
        return endpoint

    def update_endpoint(self, endpoint_id, *, headers=None, **settings):
        self.models[endpoint_id] = settings.pop("model", self.models[endpoint_id])
        self.clients[endpoint_id] = self.clients[endpoint_id].copy(default_headers=headers, **settings)

    def create(self, route, endpoint_id, *, headers=None, **parameters):
        body = {name: parameters.pop(name) for name in BODY & parameters.keys()}
        given = {"model": self.models[endpoint_id], "extra_headers": headers, "extra_body": body}
        return attrgetter(route)(self.clients[endpoint_id]).create(**given | parameters)

    def chat(self, messages, *, endpoint_id, **given):
        return self.told(self.create("chat.completions", endpoint_id, messages=messages, **given))

    def completions(self, prompt, *, endpoint_id, **given):
        return self.told(self.create("completions", endpoint_id, prompt=prompt, **given))

    def told(self, result):
        return self.pieces(result) if isinstance(result, self.stream) else values(result)

    def pieces(self, stream):
        with stream:
            yield from (values(chunk, "delta", "tool_call_delta", " index") for chunk in stream)

    def close_endpoint(self, endpoint_id):
        return self.clients[endpoint_id].close()

    def close(self):
        for client in self.clients.values():
            client.close()

    def public_objects(self):
        return list(self.clients.values())

    def classify(self, error):
        status = getattr(error, "status_code", None)
        kind = KINDS.get(status) or next((TYPES[one] for one in TYPES if isinstance(error, one)), "unmapped")
        return {"kind": kind, "status": status, "message": str(getattr(error, "body", None) or error)}


class AsyncAdapter(Adapter):
    """The async face."""

    client, stream, extra = openai.AsyncOpenAI, openai.AsyncStream, ("async", "cancel")

    async def chat(self, messages, *, endpoint_id, **given):
        return self.told(await self.create("chat.completions", endpoint_id, messages=messages, **given))

    async def completions(self, prompt, *, endpoint_id, **given):
        return self.told(await self.create("completions", endpoint_id, prompt=prompt, **given))

    async def pieces(self, stream):
        async with stream:
            async for chunk in stream:
                yield values(chunk, "delta", "tool_call_delta", " index")

    async def close(self):
        for client in self.clients.values():
            await client.close()


# The client checks no answer: any field of it may be absent, None, or of another type than it is declared to be.
def values(result, part="message", calls="tool_calls", index="", pair="token logprob"):
    choices = sorted(getattr(result, "choices", None) or [], key=lambda one: getattr(one, "index", 0) or 0)
    texts = [getattr(getattr(one, part, one), "content", getattr(one, "text", None)) for one in choices]
    found = {"usage": fields(getattr(result, "usage", None), "prompt_tokens completion_tokens total_tokens")}
    found |= {"texts": texts} if len(texts) > 1 else {}
    for choice in choices[:1]:
        made = getattr(getattr(choice, part, None), "tool_calls", None) or []
        made = [fields(one, f"function id{index}") for one in (made if isinstance(made, list) else [made])]
        tokens = getattr(getattr(choice, "logprobs", None), "content", None) or []
        found |= {"text": texts[0]} | fields(choice, "finish_reason" + index)
        found[calls] = [one | (fields(one.pop("function"), "name arguments") or {}) for one in made]
        tops = ({"top": [fields(top, pair) for top in one.top_logprobs]} for one in tokens)
        found["logprobs"] = [fields(one, pair) | next(tops) for one in tokens]
    return found


def fields(thing, names):
    return thing and {name: getattr(thing, name, None) for name in names.split()}
