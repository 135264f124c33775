"""Chat messages as TGI reads them. Copies; the caller's values stay as they are.

Order, roles, contents and unknown fields pass untouched. Two things change: images get the form
of ``images.py``, and an assistant turn with tool calls has no text beside them, because TGI's
decoder takes such a message for plain text and drops the calls.
"""

from collections.abc import Iterator, Mapping, Sequence

from tgi_conformance.backends.reference.errors import InvalidArgumentError
from tgi_conformance.backends.reference.images import image_markdown, image_url, source_of

Message = Mapping[str, object]

_IMAGE_FIELDS = ("type", "image", "image_url")


def chat_messages(messages: Sequence[Message]) -> list[dict[str, object]]:
    """Return ``messages`` ready to be sent; raises ``InvalidArgumentError`` for another shape."""
    if isinstance(messages, str | bytes | Mapping):
        raise InvalidArgumentError("messages must be a list of {role, content} objects")
    return [sent for message in messages for sent in _turn(message)]


def prompt_text(prompt: str | Sequence[object]) -> str:
    """Return a native prompt: text as it is, or parts joined with each image at its place."""
    if isinstance(prompt, str):
        return prompt
    if not isinstance(prompt, Sequence) or isinstance(prompt, bytes):
        raise InvalidArgumentError("a prompt must be text, or a list of texts and images")
    return "".join(_prompt_part(part) for part in prompt)


def _turn(message: Message) -> Iterator[dict[str, object]]:
    if not isinstance(message, Mapping):
        raise InvalidArgumentError(f"a message must be an object, not {type(message).__name__}")
    sent = dict(message)
    content = sent.get("content")
    if isinstance(content, list | tuple):
        sent["content"] = [_content_part(part) for part in content]
    if sent.get("tool_calls") and content is not None:
        if content:
            # The text keeps its place as a turn of its own rather than being lost.
            yield {name: value for name, value in sent.items() if name != "tool_calls"}
        sent["content"] = None
    yield sent


def _content_part(part: object) -> object:
    source = source_of(part)
    if source is None:
        return part
    sent: dict[str, object] = {"type": "image_url", "image_url": {"url": image_url(source)}}
    if not isinstance(part, Mapping):
        return sent
    given = part.get("image_url")
    if isinstance(given, Mapping):
        sent["image_url"] = {**given, "url": image_url(source)}
    others = {name: value for name, value in part.items() if name not in _IMAGE_FIELDS}
    return {**others, **sent}


def _prompt_part(part: object) -> str:
    if isinstance(part, str):
        return part
    source = source_of(part)
    if source is not None:
        return image_markdown(source)
    text = part.get("text") if isinstance(part, Mapping) else None
    if isinstance(text, str):
        return text
    raise InvalidArgumentError("a part of a prompt must be text or an image")
