"""TGI's errors: status and body of each kind, and the forms they take inside a stream.

Measured (router 3.3.6-dev0): errors of TGI's own handlers are JSON ``{"error", "error_type"}``; what
the body extractor refuses is plain text; 401, 404 and 405 have no body.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tgi_conformance.contracts.json_types import JSON

#: Status by error_type of TGI's own handlers.
STATUS_OF: Final = MappingProxyType(
    {
        "validation": 422,
        "tool_error": 422,
        "template_error": 422,
        "missing_template_vertex": 422,
        "suffix not supported": 422,
        "batch size exceeded": 422,
        "generation": 424,
        "overloaded": 429,
        "incomplete_generation": 500,
        "incomplete_generation_stream": 500,
        "unhealthy": 503,
        "healthcheck": 503,
    }
)

#: What an error of a type not in the table gets.
UNKNOWN_STATUS: Final = 500

#: The status that the OpenAI routes put into every error event, whatever happened.
STREAM_STATUS: Final = 422


@dataclass(frozen=True, slots=True)
class TGIError:
    """An error of TGI's own handlers, or (``error_type`` None) of the body extractor, in plain text."""

    message: str
    error_type: str | None
    status: int

    @property
    def in_stream(self) -> bool:
        """Whether it comes as an event of a stream rather than as a plain answer."""
        return self.error_type in _IN_STREAM

    def body(self) -> JSON:
        """The JSON body (native form, also that of the OpenAI routes outside a stream)."""
        return {"error": self.message, "error_type": self.error_type}

    def openai_event(self) -> JSON:
        """The JSON of an error event on the OpenAI routes."""
        return {"error": {"message": self.message, "http_status_code": STREAM_STATUS}}


#: Template, tool, suffix and batch-size errors are plain 4xx also where a stream was asked for.
_IN_STREAM: Final = frozenset(
    {"validation", "overloaded", "generation", "incomplete_generation", "incomplete_generation_stream"}
)


def handler_error(message: str, error_type: str) -> TGIError:
    """An error of TGI's handlers with the status of its type."""
    return TGIError(message, error_type, STATUS_OF.get(error_type, UNKNOWN_STATUS))


def validation_error(message: str) -> TGIError:
    """A refused parameter, with TGI's prefix."""
    return handler_error(f"Input validation error: {message}", "validation")


OVERLOADED: Final = handler_error("Model is overloaded", "overloaded")
SUFFIX: Final = handler_error(
    "Suffix is not supported and can be achieved by preprocessing the prompt.", "suffix not supported"
)
#: Tools become a grammar themselves (read, not measured).
GRAMMAR_AND_TOOLS: Final = handler_error("Tool error: Grammar and tools are mutually exclusive", "tool_error")


def batch_size(limit: int) -> TGIError:
    """More prompts than one completions request may carry."""
    return handler_error(
        f"Number of prompts exceeds the maximum allowed batch size of {limit}", "batch size exceeded"
    )


def unknown_tool(name: str) -> TGIError:
    """A tool_choice that names no tool of the request."""
    return handler_error(f"Tool error: Tool with name {name} not found", "tool_error")


def body_syntax(detail: str) -> TGIError:
    """400: not JSON."""
    return TGIError(f"Failed to parse the request body as JSON: {detail}", None, 400)


def body_data(detail: str) -> TGIError:
    """422: JSON that does not fit the request type."""
    return TGIError(f"Failed to deserialize the JSON body into the target type: {detail}", None, 422)


CONTENT_TYPE: Final = TGIError("Expected request with `Content-Type: application/json`", None, 415)
TOO_LARGE: Final = TGIError("Failed to buffer the request body: length limit exceeded", None, 413)
BROKEN_BODY: Final = TGIError(
    "Failed to buffer the request body: error reading a body from connection", None, 400
)
