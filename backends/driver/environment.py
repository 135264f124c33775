"""``--backend-env``: variables that the user hands on to the backend's process."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final

from tgi_conformance.backends.driver.spec import BackendSpecError

#: Variables that hold real keys, or name a real endpoint: a backend gets canaries and the fake server.
NEVER_HANDED_ON: Final = ("HF_API_KEY*", "HF_TOKEN*", "HUGGING_FACE_HUB_TOKEN", "TGI_ENDPOINT")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def handed_on(words: Iterable[str], environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Read NAME=VALUE, and NAME for our own value of it; raises :class:`BackendSpecError`."""
    return tuple(dict(_pair(word, environment) for word in words).items())


def _pair(word: str, environment: Mapping[str, str]) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not _NAME.fullmatch(name):
        raise BackendSpecError(f"--backend-env {name!r}: give NAME=VALUE, or NAME for the value it has here")
    if any(fnmatchcase(name.upper(), pattern) for pattern in NEVER_HANDED_ON):
        raise BackendSpecError(
            f"--backend-env {name}: a backend gets canary keys and the fake server only, so "
            f"{', '.join(NEVER_HANDED_ON)} are never handed on"
        )
    if equals:
        return name, value
    if name not in environment:
        raise BackendSpecError(f"--backend-env {name}: it is not set here; set it, or give {name}=VALUE")
    return name, environment[name]
