"""Content codings: what a client offers, and bytes coded part by part, so that each part can be read alone.

The standard library has gzip and deflate. Brotli and Zstandard are written here in blocks that are stored,
not compressed, which both formats have: every decoder reads them, and nothing reads them without one.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from tgi_conformance.contracts.journal import Exchange

#: What a Brotli stream begins with, as value and width in bits: a window of 64 KiB (RFC 7932 section 9.1).
_BROTLI_WINDOW: Final = (0, 1)
#: The last meta-block, which is empty: ISLAST and ISLASTEMPTY.
_BROTLI_END: Final = b"\x03"
#: The magic number of a Zstandard frame, a descriptor without any option, and a window of 128 KiB (RFC 8878
#: section 3.1.1); then the last block, which is empty.
_ZSTD_HEAD: Final = b"\x28\xb5\x2f\xfd\x00\x38"
_ZSTD_END: Final = b"\x01\x00\x00"
#: The longest part that one block of either format takes here.
_LONGEST: Final = 1 << 16


def offered(exchange: Exchange) -> frozenset[str]:
    """The codings that a request offers by name (RFC 9110 section 12.5.3)."""
    entries = ",".join(exchange.header_values("accept-encoding")).lower().split(",")
    named = (entry.partition(";") for entry in entries)
    return frozenset(name.strip() for name, _, weight in named if not _is_zero(weight))


def _is_zero(weight: str) -> bool:
    name, _, value = weight.partition("=")
    return name.strip() == "q" and not value.strip().strip("0.")


def _zlib(parts: Sequence[bytes], wbits: int) -> Iterator[bytes]:
    coder = zlib.compressobj(wbits=wbits)
    for number, part in enumerate(parts, start=1):
        last = number == len(parts)
        yield coder.compress(part) + coder.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


def _gzip(parts: Sequence[bytes]) -> Iterator[bytes]:
    return _zlib(parts, 16 + zlib.MAX_WBITS)


def _deflate(parts: Sequence[bytes]) -> Iterator[bytes]:
    """The format of zlib, which RFC 9110 section 8.4.1.2 calls "deflate"."""
    return _zlib(parts, zlib.MAX_WBITS)


def _brotli(parts: Sequence[bytes]) -> Iterator[bytes]:
    """Uncompressed meta-blocks (RFC 7932 section 9.2): the header's bits, least first, then the bytes."""
    for number, part in enumerate(parts, start=1):
        bits, width = _BROTLI_WINDOW if number == 1 else (0, 0)
        # ISLAST 0 and MNIBBLES 0 (a length of 16 bits), MLEN - 1, ISUNCOMPRESSED 1.
        bits |= (len(part) - 1) << (width + 3) | 1 << (width + 19)
        end = _BROTLI_END if number == len(parts) else b""
        yield bits.to_bytes(3, "little") + part + end


def _zstd(parts: Sequence[bytes]) -> Iterator[bytes]:
    """Raw blocks (RFC 8878 section 3.1.1.2): size and type in three bytes, least first, then the bytes."""
    for number, part in enumerate(parts, start=1):
        head = _ZSTD_HEAD if number == 1 else b""
        end = _ZSTD_END if number == len(parts) else b""
        yield head + (len(part) << 3).to_bytes(3, "little") + part + end


_CODERS: Final[Mapping[str, Callable[[Sequence[bytes]], Iterator[bytes]]]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
#: The codings that can be made, by the names of the registry (RFC 9110 section 8.4.1, RFC 7932, RFC 8878).
CODINGS: Final = tuple(_CODERS)


def coded(coding: str, parts: Sequence[bytes]) -> tuple[bytes, ...]:
    """The parts in this coding, each whole as soon as its bytes are there; joined, they are the body."""
    if not all(0 < len(part) <= _LONGEST for part in parts):
        raise ValueError(f"a part has 1 to {_LONGEST} bytes")
    return tuple(_CODERS[coding](parts))
