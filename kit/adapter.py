"""What adapter authors import: the values that an adapter describes its backend and answers with.

Importing it costs the standard library only, so it works in the environment of the backend under test.
An adapter may return plain mappings with the same keys instead and import nothing from here.
"""

from tgi_conformance.contracts.adapter import (
    METHODS,
    SETTINGS,
    Answer,
    Breaker,
    Defaults,
    Description,
    ErrorInfo,
    Failure,
    Piece,
    RetryPolicy,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
    TopLogprob,
    Usage,
)
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.unset import UNSET, Unset

__all__ = [
    "METHODS",
    "SETTINGS",
    "UNSET",
    "Answer",
    "Breaker",
    "Defaults",
    "Description",
    "ErrorInfo",
    "ErrorKind",
    "Failure",
    "Piece",
    "RetryPolicy",
    "TokenLogprob",
    "ToolCall",
    "ToolCallDelta",
    "TopLogprob",
    "Unset",
    "Usage",
]
