"""Connects tiny_tgi to the conformance kit; the kit's docs/adapter-contract.md describes the methods."""

import itertools

import tiny_tgi

KINDS = {
    400: "bad_request",
    401: "auth",
    403: "auth",
    404: "not_found",
    408: "timeout",
    413: "payload_too_large",
    422: "validation",
    429: "rate_limited",
    503: "overloaded",
}


class Adapter:
    def __init__(self):
        self.clients = {}
        self.numbers = itertools.count(1)

    def describe(self):
        return {
            "name": "tiny_tgi",
            "version": "0.1.0",
            "capabilities": ["chat", "keys"],
            "parameters": {"chat": ["max_tokens", "seed", "temperature"]},
        }

    def create_endpoint(self, *, base_url, api_key, **settings):
        endpoint = f"endpoint-{next(self.numbers)}"
        self.clients[endpoint] = tiny_tgi.Client(base_url, api_key)
        return endpoint

    def chat(self, messages, *, endpoint_id, **parameters):
        text, reason = self.clients[endpoint_id].chat(messages, **parameters)
        return {"text": text, "finish_reason": reason}

    def classify(self, error):
        if not isinstance(error, tiny_tgi.TinyError):
            return None
        return {"kind": kind_of(error), "status": error.status, "message": str(error)}


def kind_of(error):
    if isinstance(error, tiny_tgi.NotSent):
        return "invalid_argument"
    if isinstance(error, tiny_tgi.Unreachable):
        return "transport"
    if isinstance(error, tiny_tgi.Unreadable):
        return "protocol"
    if error.status == 200:
        return "remote_error"
    return KINDS.get(error.status, "server_error" if error.status >= 500 else "bad_request")
