"""Adapters for ``haystack-ai``: HuggingFaceAPIChatGenerator, ``run`` (sync) and ``run_async`` (async)."""

import asyncio
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from importlib.metadata import version
from queue import SimpleQueue

from haystack.dataclasses import ChatMessage, ImageContent
from haystack.tools import Tool
from haystack.utils import Secret
from haystack_integrations.components.generators.huggingface_api import HuggingFaceAPIChatGenerator

CALL = {"id": "id", "name": "tool_name", "arguments": "arguments"}
CAPABILITIES = "core chat stream keys timeout close tools grammar img img-bytes".split()
CHAT = """frequency_penalty logit_bias logprobs max_tokens n presence_penalty response_format seed stop temperature
tool_choice tool_prompt tools top_logprobs top_p model""".split()
DEFAULTS = dict.fromkeys(("connect_timeout", "read_timeout"), float("inf"))
DEFAULTS |= {"parameters": {"max_tokens": 512, "stop": []}}
IMAGES = {str: ImageContent.from_file_path, bytes: lambda given: ImageContent(b64encode(given).decode())}
KINDS = dict.fromkeys(range(400, 500), "bad_request") | {"HfHubHTTPError": "server_error", 404: "not_found"}
KINDS |= {401: "auth", 403: "auth", 422: "validation", 424: "server_error", 429: "rate_limited"}
KINDS |= {"TimeoutError": "timeout", "TimeoutException": "timeout", "TextGenerationError": "remote_error"}
KINDS |= {"ValidationError": "validation", "OverloadedError": "overloaded", "TransportError": "transport"}
TOOL = {"description": None, "parameters": {}, "function": print}  # Haystack has no tool without parameters


class Adapter:
    face, closing, extra = "run", "close", ()

    def __init__(self):
        self.generators = []

    def describe(self):
        given = {"name": f"haystack-ai-{self.face}", "version": version("haystack-ai"), "defaults": DEFAULTS}
        given |= {"settings": ["model", "timeout", "headers"], "parameters": {"chat": CHAT}}
        return given | {"capabilities": [*CAPABILITIES, *self.extra]}

    def create_endpoint(self, *, base_url, api_key, model=None, **settings):
        given = {"token": Secret.from_token(api_key)} if api_key else {}
        given |= {"api_params": {"url": base_url} | settings, "generation_kwargs": model and {"model": model}}
        self.generators.append(HuggingFaceAPIChatGenerator("text_generation_inference", **given))
        return len(self.generators) - 1

    def chat(self, messages, *, endpoint_id, stream=False, tools=(), **parameters):
        tools = [Tool(**(TOOL | each["function"])) for each in tools]
        given = {"messages": [*map(message, messages)], "tools": tools, "generation_kwargs": parameters}
        return (self.pulled if stream else self.whole)(self.generators[endpoint_id], given)

    def whole(self, generator, given):
        return answer(generator.run(**given))

    def pulled(self, generator, given):
        chunks, wanted = SimpleQueue(), SimpleQueue()  # the callback waits to be asked for more, or raises
        given |= {"streaming_callback": lambda chunk: chunks.put(chunk) or next(iter(wanted.get, None))}
        with ThreadPoolExecutor(1) as pool:
            run = pool.submit(copy_context().run, lambda: generator.run(**given))
            run.add_done_callback(lambda _: chunks.put(None))
            try:
                for chunk in iter(chunks.get, None):
                    yield piece(chunk)
                    wanted.put(chunk)
                yield answer(run.result()) | {"text": ""}
            finally:
                wanted.put(None)

    def close_endpoint(self, endpoint_id):
        return getattr(self.generators[endpoint_id], self.closing)()

    def close(self):
        for generator in self.generators:
            generator.close()

    def public_objects(self):
        return self.generators

    def classify(self, error):
        status = getattr(getattr(error, "response", None), "status_code", None)
        kinds = [KINDS[key] for key in (status, *(of.__name__ for of in type(error).__mro__)) if key in KINDS]
        return {"kind": [*kinds, "unmapped"][0]} | ({"status": status} if status else {})


class AsyncAdapter(Adapter):
    face, closing, extra = "run_async", "close_async", ("async", "cancel")

    async def whole(self, generator, given):
        return answer(await generator.run_async(**given))

    async def pulled(self, generator, given):
        chunks, wanted = asyncio.Queue(), asyncio.Queue()

        async def push(chunk):
            await chunks.put(chunk)
            await wanted.get()

        run = asyncio.create_task(generator.run_async(**given, streaming_callback=push))
        run.add_done_callback(lambda _: chunks.put_nowait(None))
        try:
            while chunk := await chunks.get():
                yield piece(chunk)
                await wanted.put(chunk)
            yield answer(await run) | {"text": ""}
        finally:
            run.cancel()
            await asyncio.wait([run])

    async def close(self):
        await asyncio.gather(*(generator.close_async() for generator in self.generators))


def message(given):
    if not any("image" in part for part in given.get("content") or ""):
        return ChatMessage.from_openai_dict_format(given)
    parts = [part.get("text") or IMAGES[type(part["image"])](part["image"]) for part in given["content"]]
    return ChatMessage.from_user(content_parts=parts)


def answer(result):
    for reply in result["replies"]:
        calls = [{name: getattr(each, of) for name, of in CALL.items()} for each in reply.tool_calls]
        given = {name: reply.meta[name] for name in ("finish_reason", "usage")}
        return given | {"text": reply.text, "tool_calls": calls}
    return {}


def piece(chunk):
    names = CALL | {"index": "index"}
    deltas = [{name: getattr(each, of) for name, of in names.items()} for each in chunk.tool_calls or []]
    return {"text": chunk.content, "finish_reason": chunk.finish_reason, "tool_call_delta": deltas}
