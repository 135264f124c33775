"""Output whose reader may leave early, as ``head`` does: the command goes on, its exit code stays true."""

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Leaving(io.FileIO):
    """A descriptor that takes what is written to nowhere once nobody reads it."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, self.fileno())
            os.close(sink)
            return memoryview(data).nbytes


def leaving(descriptor: int, *, encoding: str = "utf-8", errors: str = "replace") -> TextIO:
    """A text stream over a descriptor, which stays open."""
    raw = io.BufferedWriter(_Leaving(descriptor, "wb", closefd=False))
    return io.TextIOWrapper(raw, encoding=encoding, errors=errors, line_buffering=True)


def let_readers_leave() -> None:
    """Do so for standard output and standard error of this process, where they are its own."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):
            stream.flush()
            errors = stream.errors or "strict"
            setattr(sys, name, leaving(stream.fileno(), encoding=stream.encoding, errors=errors))
