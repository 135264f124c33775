"""What TGI says of the images in a prompt, on a model that takes images.

Images stand in the prompt as Markdown (``![](url)``). Measured: the messages for bad base64, for an
address that is no web address, and for bytes that are not what the media type says. The fake never
fetches: an image behind a web address counts as good.
"""

import base64
import re
from collections.abc import Iterator
from typing import Final

_BEGIN: Final = "![]("
_WEB: Final = re.compile(r"!\[\]\(https?://[^)]*\)")
_DATA: Final = re.compile(r"!\[\]\(data:([^)]*)\)")
_ALPHABET: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

#: Media type -> how its bytes begin, and what the decoder says of others ({0}: two bytes in hex).
_FORMATS: Final = {
    "image/jpeg": (
        b"\xff\xd8",
        "Format error decoding Jpeg: Error parsing image. Illegal start bytes:{0}",
    ),
    "image/jpg": (
        b"\xff\xd8",
        "Format error decoding Jpeg: Error parsing image. Illegal start bytes:{0}",
    ),
    "image/png": (b"\x89PNG\r\n\x1a\n", "Format error decoding Png: Invalid PNG signature."),
    "image/gif": (b"GIF8", "Format error decoding Gif: malformed GIF header"),
    "image/webp": (b"RIFF", "Format error decoding WebP: Invalid Chunk header: [{0}]"),
}


def image_problem(prompt: str) -> str | None:
    """The message for the first bad image of a prompt, or None."""
    return next(_problems(prompt), None)


def _problems(prompt: str) -> Iterator[str]:
    for image in _images(prompt):
        if _WEB.fullmatch(image):
            continue
        data = _DATA.fullmatch(image)
        problem = f"invalid image content: {image}" if data is None else _data_problem(data[1])
        if problem is not None:
            yield problem


def _images(prompt: str) -> Iterator[str]:
    start = prompt.find(_BEGIN)
    while start >= 0:
        end = prompt.find(")", start + len(_BEGIN))
        if end < 0:
            return
        yield prompt[start : end + 1]
        start = prompt.find(_BEGIN, end + 1)


def _data_problem(content: str) -> str | None:
    """The message for what stands after ``data:``: a media type, one semicolon, base64."""
    parts = content.split(";")
    if len(parts) != 2:
        return f"invalid image content: {content}"
    media_type, encoded = parts
    if not encoded.startswith("base64,"):
        return f"invalid image content: {encoded}"
    text = encoded.removeprefix("base64,")
    broken = base64_problem(text)
    if broken is not None:
        return f"base64 encoding is invalid: {broken}"
    wrong = _format_problem(media_type, base64.b64decode(text))
    return None if wrong is None else f"invalid image: {wrong}"


def base64_problem(text: str) -> str | None:
    """What Rust's base64 decoder says of a text, or None."""
    content = text.encode("utf-8", "surrogatepass")
    body = content.rstrip(b"=")
    for offset, byte in enumerate(body):
        if byte not in _ALPHABET:
            return f"Invalid symbol {byte}, offset {offset}."
    if len(body) % 4 == 1:
        return f"Invalid input length: {len(content)}"
    if len(content) % 4 or len(content) - len(body) > 2:
        return "Invalid padding"
    return None


def _format_problem(media_type: str, content: bytes) -> str | None:
    known = _FORMATS.get(media_type)
    if known is None:
        signatures = (signature for signature, _ in _FORMATS.values())
        return None if content.startswith(tuple(signatures)) else "The image format could not be determined"
    signature, message = known
    return None if content.startswith(signature) else message.format(content[:2].hex().upper())
