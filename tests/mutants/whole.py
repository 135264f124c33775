"""Backends that are wrong altogether; each ends in a red run, within minutes, with a report that says why."""

import os
import threading
from collections.abc import Callable

from tgi_conformance.backends.reference.adapter import ReferenceAdapter

_CALLS = (
    "create_endpoint",
    "generate",
    "chat",
    "completions",
    "test_endpoint",
    "get_stats",
    "close_endpoint",
    "close",
    "update_endpoint",
    "reset_stats",
    "submit",
    "public_objects",
)


def _every_call(do: Callable[[], object]) -> dict[str, object]:
    def method(*_: object, **__: object) -> object:
        return do()

    return dict.fromkeys(_CALLS, method)


def _raise() -> object:
    raise RuntimeError("this backend never works")


#: Answers every call with the empty string.
EmptyString = type("EmptyString", (ReferenceAdapter,), _every_call(str))
#: Raises on every call.
Raises = type("Raises", (ReferenceAdapter,), _every_call(_raise))
#: Never comes back from a call.
Hangs = type("Hangs", (ReferenceAdapter,), _every_call(lambda: threading.Event().wait()))
#: Ends its own process on every call.
Exits = type("Exits", (ReferenceAdapter,), _every_call(lambda: os._exit(3)))
