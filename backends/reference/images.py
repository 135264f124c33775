"""Images in the forms TGI reads: a data URL, a web URL, or the markdown of the native route.

An image is given as bytes, as a path (``os.PathLike``), or as a string that is a data URL, a web
URL or a path.
"""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

from tgi_conformance.backends.reference.errors import InvalidArgumentError

ImageSource: TypeAlias = bytes | str | os.PathLike[str]

_UNKNOWN_TYPE: Final = "application/octet-stream"
"""With a type it does not know TGI guesses from the bytes, so an honest "unknown" works."""

_SIGNATURES: Final = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
)
"""Offset, bytes found there, type."""


def mime_type(image: bytes) -> str:
    """Return the type that the first bytes show."""
    for offset, signature, name in _SIGNATURES:
        if image.startswith(signature, offset):
            return name
    return _UNKNOWN_TYPE


def image_url(image: ImageSource) -> str:
    """Return the URL under which TGI finds ``image``.

    A data URL passes as it is. In a web URL ``)`` is percent-encoded, because TGI puts the URL
    into ``![](url)`` and cuts it at the first ``)``. Raises ``InvalidArgumentError`` for a file
    that cannot be read.
    """
    if isinstance(image, bytes | bytearray | memoryview):
        return _data_url(bytes(image))
    if isinstance(image, str):
        scheme = image[:8].lower()
        if scheme.startswith("data:"):
            return image
        if scheme.startswith(("http://", "https://")):
            return image.replace(")", "%29")
    try:
        return _data_url(Path(image).read_bytes())
    except (OSError, TypeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
    raise InvalidArgumentError(
        f"an image must be bytes, a URL or a readable file, and {str(image)[:100]!r} is none: {reason}"
    )


def image_part(image: ImageSource) -> dict[str, object]:
    """Return the message part that carries ``image`` on the chat route."""
    return {"type": "image_url", "image_url": {"url": image_url(image)}}


def image_markdown(image: ImageSource) -> str:
    """Return the text that stands for ``image`` in a prompt of the native route."""
    return f"![]({image_url(image)})"


def source_of(part: object) -> ImageSource | None:
    """Return the image in one part of a content list, or ``None`` if it is another kind of part.

    Image parts are bare bytes and paths, ``{"type": "image", "image": …}`` and
    ``{"type": "image_url", "image_url": … or {"url": …}}``.
    """
    if isinstance(part, bytes | os.PathLike):
        return part
    if not isinstance(part, Mapping):
        return None
    value = part.get({"image": "image", "image_url": "image_url"}.get(part.get("type", ""), ""))
    if isinstance(value, Mapping):
        value = value.get("url")
    return value if isinstance(value, bytes | str | os.PathLike) else None


def _data_url(image: bytes) -> str:
    return f"data:{mime_type(image)};base64,{base64.b64encode(image).decode('ascii')}"
