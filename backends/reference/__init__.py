"""The reference client for Text Generation Inference: what a correct backend looks like.

``Client`` and ``AsyncClient`` are two faces of one asynchronous core. The modules beneath are small
and, but for ``transport``, ``endpoint``, ``engine`` and the faces, free of I/O.
"""

from tgi_conformance.backends.reference.answers import (
    Answer,
    Logprob,
    Piece,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from tgi_conformance.backends.reference.async_client import AsyncClient, EndpointCheck
from tgi_conformance.backends.reference.async_stream import AsyncStream
from tgi_conformance.backends.reference.client import Client, Stream
from tgi_conformance.backends.reference.errors import (
    AuthenticationError,
    BadRequestError,
    CircuitOpenError,
    ClosedError,
    GenerationError,
    InvalidArgumentError,
    NotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    ProtocolError,
    QueueFullError,
    RateLimitError,
    RedirectError,
    RemoteError,
    RequestTimeoutError,
    ServerError,
    StatusError,
    TGIError,
    TransportError,
    TruncatedStreamError,
    UnknownEndpointError,
    ValidationError,
)
from tgi_conformance.backends.reference.images import image_markdown, image_part
from tgi_conformance.backends.reference.settings import EndpointSettings

__all__ = [
    "Answer",
    "AsyncClient",
    "AsyncStream",
    "AuthenticationError",
    "BadRequestError",
    "CircuitOpenError",
    "Client",
    "ClosedError",
    "EndpointCheck",
    "EndpointSettings",
    "GenerationError",
    "InvalidArgumentError",
    "Logprob",
    "NotFoundError",
    "OverloadedError",
    "PayloadTooLargeError",
    "Piece",
    "ProtocolError",
    "QueueFullError",
    "RateLimitError",
    "RedirectError",
    "RemoteError",
    "RequestTimeoutError",
    "ServerError",
    "StatusError",
    "Stream",
    "TGIError",
    "TokenLogprob",
    "ToolCall",
    "ToolCallDelta",
    "TransportError",
    "TruncatedStreamError",
    "UnknownEndpointError",
    "Usage",
    "ValidationError",
    "image_markdown",
    "image_part",
]
