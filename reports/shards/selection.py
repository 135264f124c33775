"""A digest of the cases that were selected: two runs that have the same one were asked for the same. Pure."""

import hashlib
from collections.abc import Iterable


def digest_of(cases: Iterable[tuple[str, str]]) -> str:
    """The digest of cases, each as backend and id, in whatever order they come."""
    lines = sorted({f"{backend}\n{case}" for backend, case in cases})
    return hashlib.sha256("\n\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
