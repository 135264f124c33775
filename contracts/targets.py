"""Request targets: which are ones at all, and the path that TGI finds in each. Pure.

Source: the http crate 1.3.1 (``src/uri/``), with which hyper reads targets, and httparse.
"""

import re
from typing import Final

_PATH: Final = rb'[!"$-;=@-_a-\xff]*+'
_ORIGIN: Final = re.compile(_PATH + rb"(?:\?[!$-;=?-\xff]*+)?(?:#.*)?", re.DOTALL)
_SCHEME: Final = re.compile(rb"[A-Za-z0-9+.-]{1,64}://")
_AUTHORITY: Final = re.compile(rb"[A-Za-z0-9._~:\[\]@!$&'()*+,;=%-]*+")
_PATH_END: Final = re.compile("[?#]")
_MOST_COLONS: Final = 8
_AFTER_AUTHORITY: Final = re.compile("[/?#]")


def is_target(target: bytes) -> bool:
    """Whether a request line may name this target: a path, a whole URI, an authority, or ``*``."""
    if not target.isascii() and not _is_utf8(target):
        return False
    if target.startswith(b"/"):
        return _ORIGIN.fullmatch(target) is not None
    scheme = _SCHEME.match(target)
    rest = target if scheme is None else target[scheme.end() :]
    found = _AUTHORITY.match(rest)
    authority = b"" if found is None else found[0]
    if not authority or not _is_authority(authority):
        return False
    rest = rest[len(authority) :]
    if not rest:
        return True
    return scheme is not None and rest[:1] in b"/?#" and _ORIGIN.fullmatch(rest) is not None


def _is_utf8(target: bytes) -> bool:
    try:
        target.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_authority(authority: bytes) -> bool:
    """Whether brackets stand around an address only, and no more than a port follows the host."""
    host = authority.rpartition(b"@")[2]
    address, bracket, behind = host.partition(b"]")
    if bracket:
        if not address.startswith(b"[") or address.count(b":") > _MOST_COLONS:
            return False
    else:
        address, behind = b"", host
    if not host or b"[" in address[1:] or behind.count(b":") > 1:
        return False
    return not set(b"%[]") & set(behind)


def path_of(target: str) -> str:
    """The path of a target, without its query: what TGI chooses the route by.

    An authority alone has none; it stands for itself then, and is no route.
    """
    if target.startswith("/") or target == "*":
        path = target.partition("?")[0]
        return path.partition("#")[0] if "#" in path else path
    scheme, mark, rest = target.partition("://")
    if not mark or not scheme:
        return target
    end = _AFTER_AUTHORITY.search(rest)
    return (_PATH_END.split(rest[end.start() :], maxsplit=1)[0] if end else "") or "/"
