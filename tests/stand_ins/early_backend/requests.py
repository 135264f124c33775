"""The names of ``requests`` that the adapter of the guide's backend looks at; nothing is sent by it."""

from types import SimpleNamespace


class Timeout(OSError):
    """A time limit ran out."""


class ConnectionError(OSError):  # noqa: A001 - the name that it has there
    """There is no connection, or no more."""


class InvalidJSONError(ValueError):
    """What came is no JSON."""


class ChunkedEncodingError(OSError):
    """The body broke off."""


class ContentDecodingError(OSError):
    """The body's coding cannot be undone."""


exceptions = SimpleNamespace(
    InvalidJSONError=InvalidJSONError,
    ChunkedEncodingError=ChunkedEncodingError,
    ContentDecodingError=ContentDecodingError,
)
