"""The second client's request bodies. Written from the catalogue alone."""

import base64
import copy
import json
from pathlib import Path

from second_reading import SecondError

BEGINNINGS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}


def body_of(method, subject, stream, model, given):
    """The request body; what the caller passed stays as it was."""
    given = {name: value for name, value in copy.deepcopy(given).items() if value is not None}
    if isinstance(given.get("stop"), str):
        given["stop"] = [given["stop"]]
    if {"max_tokens", "max_completion_tokens"} <= given.keys():
        raise SecondError("invalid_argument", "max_tokens and max_completion_tokens are one limit")
    if given.get("tools") == []:
        del given["tools"]
    for tool in given.get("tools", ()):
        tool["function"].setdefault("parameters", {"type": "object", "properties": {}})
    if method == "generate":
        body = {"inputs": subject, "parameters": {"details": True, **given}}
    else:
        body = {"messages" if method == "chat" else "prompt": subject, "stream": stream, **given}
    if model is not None and method != "generate":
        body.setdefault("model", model)
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError):
        raise SecondError("invalid_argument", "an argument has no form in JSON") from None


def with_images(messages):
    found = copy.deepcopy(messages)
    for message in found:
        content = message.get("content")
        if content == "" and message.get("tool_calls"):
            del message["content"]  # TGI would take the turn for text and drop its calls
        for part in content if isinstance(content, list) else ():
            if part.get("type") == "image":
                image = part.pop("image")
                content = image if isinstance(image, bytes) else Path(image).read_bytes()
                kind = next((k for begin, k in BEGINNINGS.items() if content.startswith(begin)), "png")
                url = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
                part |= {"type": "image_url", "image_url": {"url": url}}
    return found
