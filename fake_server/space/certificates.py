"""A self-signed certificate, made from the standard library alone: ECDSA on P-256, DER by hand.

Made anew for each process, so no private key ever lies in a repository. It is for tests on one machine:
the arithmetic is not hardened against whoever can time it.
"""

import base64
import hashlib
import ipaddress
import secrets
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

# The curve P-256 (SEC 2, section 2.4.2).
_P: Final = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_A: Final = _P - 3
_N: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G: Final = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_Point = tuple[int, int]

_ECDSA_WITH_SHA256: Final = "1.2.840.10045.4.3.2"
_EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
_PRIME256V1: Final = "1.2.840.10045.3.1.7"
_COMMON_NAME: Final = "2.5.4.3"
_SUBJECT_KEY: Final = "2.5.29.14"
_KEY_USAGE: Final = "2.5.29.15"
_ALTERNATIVE_NAMES: Final = "2.5.29.17"
_BASIC_CONSTRAINTS: Final = "2.5.29.19"
_AUTHORITY_KEY: Final = "2.5.29.35"

_LIFE: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, both PEM text."""

    pem: str
    key_pem: str

    def server_context(self) -> ssl.SSLContext:
        """What a listener needs to speak TLS with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:  # the ssl module reads files only
            file = Path(folder, "both.pem")
            file.touch(mode=0o600)
            file.write_text(self.pem + self.key_pem, encoding="ascii")
            context.load_cert_chain(file)
        return context


def self_signed(names: Sequence[str], now: datetime | None = None) -> Certificate:
    """Make a certificate for these host names and IP addresses, valid from a day before ``now``."""
    begin = (datetime.now(UTC) if now is None else now) - timedelta(days=1)
    secret = secrets.randbelow(_N - 1) + 1
    point = b"\x04" + b"".join(part.to_bytes(32, "big") for part in _times(secret, _G))
    algorithm = _sequence(_oid(_ECDSA_WITH_SHA256))
    name = _sequence(_tagged(0x31, _sequence(_oid(_COMMON_NAME), _tagged(0x0C, names[0].encode()))))
    to_sign = _sequence(
        _tagged(0xA0, _integer(2)),
        _integer(secrets.randbits(120) | 1 << 119),
        algorithm,
        name,
        _sequence(_time(begin), _time(begin + _LIFE)),
        name,
        _sequence(_sequence(_oid(_EC_PUBLIC_KEY), _oid(_PRIME256V1)), _tagged(0x03, b"\0" + point)),
        _tagged(0xA3, _sequence(*_extensions(names, point))),
    )
    certificate = _sequence(to_sign, algorithm, _tagged(0x03, b"\0" + _signature(secret, to_sign)))
    private = _sequence(
        _integer(1),
        _tagged(0x04, secret.to_bytes(32, "big")),
        _tagged(0xA0, _oid(_PRIME256V1)),
        _tagged(0xA1, _tagged(0x03, b"\0" + point)),
    )
    return Certificate(_pem("CERTIFICATE", certificate), _pem("EC PRIVATE KEY", private))


def _extensions(names: Sequence[str], point: bytes) -> list[bytes]:
    """What strict verifiers (RFC 5280) want of a certificate that vouches for itself."""
    key_id = hashlib.sha1(point, usedforsecurity=False).digest()
    return [
        _extension(_SUBJECT_KEY, _tagged(0x04, key_id)),
        _extension(_AUTHORITY_KEY, _sequence(_tagged(0x80, key_id))),
        _extension(_BASIC_CONSTRAINTS, _sequence(_tagged(0x01, b"\xff")), critical=True),
        # digitalSignature and keyCertSign: bits 0 and 5.
        _extension(_KEY_USAGE, _tagged(0x03, b"\x02\x84"), critical=True),
        _extension(_ALTERNATIVE_NAMES, _sequence(*map(_alternative, names))),
    ]


def _alternative(name: str) -> bytes:
    try:
        return _tagged(0x87, ipaddress.ip_address(name).packed)
    except ValueError:
        return _tagged(0x82, name.encode("idna"))


# --- ECDSA --------------------------------------------------------------------------------------------


def _signature(secret: int, content: bytes) -> bytes:
    digest = int.from_bytes(hashlib.sha256(content).digest(), "big")
    while True:
        nonce = secrets.randbelow(_N - 1) + 1
        first = _times(nonce, _G)[0] % _N
        second = pow(nonce, -1, _N) * (digest + first * secret) % _N
        if first and second:
            return _sequence(_integer(first), _integer(second))


def _times(factor: int, point: _Point) -> _Point:
    """Multiply a point: double and add."""
    result: _Point | None = None
    addend = point
    while factor:
        if factor & 1:
            result = addend if result is None else _plus(result, addend)
        addend = _plus(addend, addend)
        factor >>= 1
    if result is None:
        raise ValueError("the factor has to be positive")
    return result


def _plus(one: _Point, other: _Point) -> _Point:
    if one == other:
        slope = (3 * one[0] * one[0] + _A) * pow(2 * one[1], -1, _P)
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, _P)
    x = (slope * slope - one[0] - other[0]) % _P
    return x, (slope * (one[0] - x) - one[1]) % _P


# --- DER (X.690) --------------------------------------------------------------------------------------


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _sequence(*items: bytes) -> bytes:
    return _tagged(0x30, b"".join(items))


def _integer(value: int) -> bytes:
    return _tagged(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    content = bytearray((40 * first + second,))
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | (arc & 0x7F))
        content += bytes(reversed(groups))
    return _tagged(0x06, bytes(content))


def _time(moment: datetime) -> bytes:
    if moment.year < 2050:
        return _tagged(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return _tagged(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def _extension(kind: str, value: bytes, *, critical: bool = False) -> bytes:
    mark = _tagged(0x01, b"\xff") if critical else b""
    return _sequence(_oid(kind), mark, _tagged(0x04, value))


def _pem(label: str, content: bytes) -> str:
    text = base64.encodebytes(content).decode("ascii").replace("\n", "")
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
