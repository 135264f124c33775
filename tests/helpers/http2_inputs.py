"""Hostile HTTP/2: preface, frames that are almost right, and bytes that are not, for the fuzzer."""

import random
from collections.abc import Iterator
from typing import Final

from hpack import Encoder

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_PATHS: Final = ("/generate", "/generate_stream", "/", "/health", "/info", "/nowhere", "*", "", "/a?b")
_ODD_FIELDS: Final = (
    ("connection", "close"),
    ("X-Upper", "y"),
    ("te", "gzip"),
    ("content-length", "5"),
    ("content-length", "-1"),
    ("content-length", "1_0"),
    ("content-length", "9" * 5000),
    ("content-length", ""),
    ("x", "y" * 9000),
    ("x\x00", "y"),
    ("x", "a\r\nb"),
    ("", "y"),
    (":path", "/again"),
    (":status", "200"),
    (":authority", "x\xff"),
    (":protocol", "websocket"),
    ("host", "y"),
    ("cookie", "a=b"),
    ("expect", "100-continue"),
    ("authorization", "Bearer " + "z" * 300),
)
_BODIES: Final = (b"", b'{"inputs":"x"}', b"{", b"\xff\xfe", b"x" * 5000, b"[" * 3000)
#: Settings with values at their edges.
_SETTINGS: Final = (
    (1, 0), (1, 4096), (1, 2**32 - 1), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (4, 0), (4, 1), (4, 2**31 - 1),
    (4, 2**31), (5, 0), (5, 16384), (5, 2**24 - 1), (5, 2**24), (6, 0), (8, 1), (99, 7),
)  # fmt: skip


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def hostile_http2(seed: int) -> Iterator[bytes]:
    """Inputs without end; the same ones for the same seed."""
    dice = random.Random(seed)  # noqa: S311
    while True:
        session = bytearray(_session(dice))
        kind = dice.randrange(5)
        if kind == 0:
            _mutate(session, dice, len(PREFACE))
        elif kind == 1:
            _mutate(session, dice, 0)
        elif kind == 2:
            session += dice.randbytes(dice.choice((1, 9, 40, 3000)))
        elif kind == 3:
            del session[dice.randrange(len(session)) :]
        yield bytes(session)


def _session(dice: random.Random) -> bytes:
    encoder = Encoder()
    parts = [PREFACE, _settings(dice)]
    numbers = list(range(1, 2 * dice.choice((1, 2, 8, 60)), 2))
    for number in numbers:
        parts += _request(dice, encoder, number)
        for _ in range(dice.choice((0, 0, 1, 3))):
            parts.append(_odd_frame(dice, dice.choice(numbers)))
    if dice.random() < 0.2:
        dice.shuffle(parts)
    return b"".join(parts)


def _settings(dice: random.Random) -> bytes:
    pairs = [dice.choice(_SETTINGS) for _ in range(dice.choice((0, 0, 1, 4)))]
    return frame(4, 0, 0, b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs))


def _request(dice: random.Random, encoder: Encoder, number: int) -> list[bytes]:
    fields = [
        (":method", dice.choice(("POST", "POST", "GET", "HEAD", "OPTIONS", "CONNECT", "a b", ""))),
        (":path", dice.choice(_PATHS)),
        (":scheme", "http"),
        (":authority", "x"),
        ("content-type", "application/json"),
    ]
    for _ in range(dice.choice((0, 0, 0, 1, 3))):
        fields.insert(dice.randrange(len(fields) + 1), dice.choice(_ODD_FIELDS))
    if dice.random() < 0.1:
        del fields[dice.randrange(len(fields))]
    block = encoder.encode(fields, huffman=dice.random() < 0.5)
    body = dice.choice(_BODIES)
    parts = [frame(1, 4 | (not body), number, block)]
    if dice.random() < 0.2:
        at = dice.randrange(len(block))
        parts = [frame(1, not body, number, block[:at]), frame(9, 4, number, block[at:])]
    if body:
        parts.append(frame(0, dice.choice((1, 1, 0)), number, body))
    return parts


def _odd_frame(dice: random.Random, number: int) -> bytes:
    word = dice.choice((0, 1, 8, 65_535, 2**31 - 1, 2**32 - 1)).to_bytes(4, "big")
    return dice.choice(
        (
            frame(8, 0, number, word),
            frame(8, 0, 0, word),
            frame(3, 0, number, word),
            frame(2, 0, number, word + b"\x10"),
            frame(6, 0, 0, b"12345678"),
            frame(6, 1, 0, b"12345678"),
            frame(7, 0, 0, word + word),
            frame(7, 0, 0, word),
            frame(4, 1, 0),
            frame(4, 1, 0, b"x"),
            frame(0, 8, number, bytes((dice.randrange(256),)) + b"padded"),
            frame(0, 1, number, b""),
            frame(5, 4, number, word + b"\x82"),
            frame(9, 4, number, b"\x82"),
            frame(1, 0x2D, number, b"\x00\x00\x00\x00\x01\x10\x82"),
            frame(10, 0, 0, b"alt"),
            frame(dice.randrange(256), dice.randrange(256), dice.randrange(2**31), dice.randbytes(9)),
        )
    )


def _mutate(data: bytearray, dice: random.Random, first: int) -> None:
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(min(first, len(data) - 1), len(data))
        change = dice.randrange(3)
        if change == 0:
            data[at] = dice.randrange(256)
        elif change == 1:
            del data[at : at + dice.randint(1, 9)]
        else:
            data[at:at] = dice.randbytes(dice.randint(1, 9))
        if len(data) < 2:
            return
