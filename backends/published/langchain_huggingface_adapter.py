"""Adapters for ``langchain-huggingface``: HuggingFaceEndpoint, and ChatHuggingFace over it.

The sync face calls ``invoke`` and ``stream``, the async one ``ainvoke`` and ``astream``.
"""

import itertools
from importlib.metadata import version

import httpx
from huggingface_hub.errors import InferenceTimeoutError, TextGenerationError
from langchain_huggingface import ChatHuggingFace, HuggingFaceEndpoint

# `details` and `decoder_input_details` change the type of the answer and are left out.
GENERATE = """adapter_id best_of do_sample frequency_penalty grammar max_new_tokens repetition_penalty
return_full_text seed stop temperature top_k top_n_tokens top_p truncate typical_p watermark""".split()
CHAT = """frequency_penalty logit_bias logprobs max_tokens n presence_penalty response_format seed stop stream_options
temperature tool_choice tool_prompt tools top_logprobs top_p model""".split()
CAPABILITIES = "core native chat stream keys timeout tools logprobs grammar img".split()
#: What goes out though the caller gave none: HuggingFaceEndpoint's own, and what ChatHuggingFace takes over of it.
DEFAULTS = {"do_sample": False, "max_new_tokens": 512, "return_full_text": False, "stop": [], "top_p": 0.95}
DEFAULTS |= {"typical_p": 0.95, "watermark": False, "temperature": 0.8, "max_tokens": 512}
KINDS = {401: "auth", 403: "auth", 404: "not_found", 413: "payload_too_large", 422: "validation"}
KINDS |= {424: "server_error", 429: "rate_limited"}
TGI_KINDS = {"ValidationError": "validation", "OverloadedError": "overloaded"}
#: TGI's names of counts, and those in `usage_metadata`.
COUNTS = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}


class Adapter:
    """The sync face."""

    name, extra = "sync", ()

    def __init__(self):
        self.models, self.chats, self.numbers = {}, {}, itertools.count(1)

    def describe(self):
        return {
            "name": f"langchain-huggingface-{self.name}",
            "version": version("langchain-huggingface"),
            "capabilities": [*CAPABILITIES, *self.extra],
            "settings": ["timeout", "headers"],
            "parameters": {"generate": GENERATE, "chat": CHAT},
            "defaults": {"connect_timeout": 120, "read_timeout": 120, "parameters": DEFAULTS},
            "whole_seconds": True,
            "packages": ["langchain_huggingface", "langchain_core"],
        }

    def create_endpoint(self, *, base_url, api_key, headers=None, **settings):
        endpoint = next(self.numbers)
        settings |= {"huggingfacehub_api_token": api_key, "server_kwargs": {"headers": headers}}
        self.models[endpoint] = HuggingFaceEndpoint(endpoint_url=base_url, **settings)
        self.chats[endpoint] = ChatHuggingFace(llm=self.models[endpoint])
        return endpoint

    def generate(self, prompt, *, endpoint_id, stream=False, **parameters):
        model = self.models[endpoint_id]
        return model.stream(prompt, **parameters) if stream else model.invoke(prompt, **parameters)

    def chat(self, messages, *, endpoint_id, stream=False, **parameters):
        chat, given = self.with_tools(endpoint_id, **parameters)
        return (
            map(piece, chat.stream(messages, **given)) if stream else answer(chat.invoke(messages, **given))
        )

    def with_tools(self, endpoint_id, *, tools=None, **parameters):
        chat = self.chats[endpoint_id]
        if tools is None:
            return chat, parameters
        return chat.bind_tools(tools, tool_choice=parameters.pop("tool_choice", None)), parameters

    def classify(self, error):
        response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
        status = getattr(response, "status_code", None)
        if isinstance(error, (InferenceTimeoutError, httpx.TimeoutException)):
            kind = "timeout"
        elif status:
            kind = KINDS.get(status, "server_error" if status >= 500 else "bad_request")
        elif isinstance(error, TextGenerationError):
            kind = TGI_KINDS.get(type(error).__name__, "remote_error")
        else:
            kind = "transport" if isinstance(error, httpx.TransportError) else "unmapped"
        return {"kind": kind, "message": str(error)} | ({"status": status} if status else {})


class AsyncAdapter(Adapter):
    """The async face."""

    name, extra = "async", ("async", "cancel")

    async def generate(self, prompt, *, endpoint_id, stream=False, **parameters):
        model = self.models[endpoint_id]
        return model.astream(prompt, **parameters) if stream else await model.ainvoke(prompt, **parameters)

    async def chat(self, messages, *, endpoint_id, stream=False, **parameters):
        chat, parameters = self.with_tools(endpoint_id, **parameters)
        if stream:
            return (piece(chunk) async for chunk in chat.astream(messages, **parameters))
        return answer(await chat.ainvoke(messages, **parameters))


def answer(message):
    calls = [*message.tool_calls, *message.invalid_tool_calls]
    return told(message) | {"tool_calls": [renamed(call, "name", "id", arguments="args") for call in calls]}


def piece(chunk):
    deltas = [renamed(part, "index", "id", "name", arguments="args") for part in chunk.tool_call_chunks]
    return told(chunk) | {"tool_call_delta": deltas}


def told(message):
    counts, more = message.usage_metadata, message.response_metadata
    given = {"text": message.content, "finish_reason": more.get("finish_reason")}
    given["usage"] = counts and renamed(counts, "total_tokens", **COUNTS)
    if more.get("logprobs"):
        given["logprobs"] = [logprob(token) for token in more["logprobs"]["content"]]
    return given


def logprob(token):
    top = [renamed(one, "token", "logprob") for one in token["top_logprobs"]]
    return renamed(token, "token", "logprob") | {"top": top}


def renamed(given, *same, **others):
    return {name: given[name] for name in same} | {name: given[of] for name, of in others.items()}
