"""Hypothesis generators of images: bytes that begin as their format does, and their true media type.

They shrink towards the shortest PNG beginning.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

#: How formats begin, by their media type.
BEGINNINGS: Final[Mapping[str, bytes]] = {
    "image/png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "image/gif": b"GIF89a\x01\0\x01\0",
    "image/webp": b"RIFF\x24\0\0\0WEBPVP8 ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Bytes, and what they are."""

    media_type: str
    content: bytes


def images(*, most: int = 400) -> SearchStrategy[Image]:
    """Images of any bytes behind a true beginning (g_image)."""

    def image(media_type: str) -> SearchStrategy[Image]:
        rest = st.binary(max_size=most).map(lambda more: BEGINNINGS[media_type] + more)
        return st.builds(Image, media_type=st.just(media_type), content=rest)

    return st.sampled_from(["image/png", "image/jpeg", "image/gif", "image/webp"]).flatmap(image)
