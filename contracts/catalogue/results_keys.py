"""The keys of the results map: the 22 of the TGI testing guide, and those that this kit adds."""

from typing import Final

RESULTS_KEYS: Final = (
    "multiplexing_endpoint_creation",
    "usage_statistics",
    "queue_enabled",
    "request_queue",
    "max_concurrent_requests",
    "current_requests",
    "max_retries",
    "initial_retry_delay",
    "backoff_factor",
    "queue_processing",
    "endpoint_handler",
    "test_endpoint",
    "test_endpoint_params",
    "post_request",
    "post_request_headers",
    "request_id_tracking",
    "chat_method",
    "streaming",
    "error_handling_auth",
    "error_handling_rate_limit",
    "error_handling_400",
    "image_processing",
)
"""In the order of the guide's sample file; the map is written in this order."""

NEW_KEYS: Final = (
    "new:ambient_token",
    "new:cancellation",
    "new:declarations",
    "new:error_handling_server",
    "new:key_redaction",
    "new:real_endpoint",
    "new:redirect_safety",
    "new:resource_cleanup",
    "new:structured_output",
    "new:timeouts",
    "new:tls",
    "new:tool_calls",
    "new:transport_errors",
)
"""For the second file beside the map: what the guide tests nothing for."""

NEW_PREFIX: Final = "new:"
