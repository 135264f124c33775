"""Mistakes that stand in the code of one way to make a call alone: in streams, or on one route."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

from typing import Any

from seams import Broken, exchange

from tgi_conformance.backends.reference import calls
from tgi_conformance.backends.reference.errors import InvalidArgumentError

Body = dict[str, Any]


class OneWay(Broken):
    """A mistake in the route or body of some calls."""

    def damage(self) -> None:
        def changed(right: Any) -> Any:
            def route_and_body(
                kind: str, subject: Any, settings: Any, *, stream: bool, parameters: Any
            ) -> Any:
                route, body = right(kind, subject, settings, stream=stream, parameters=parameters)
                return self.sent(kind, route, dict(body), stream=stream)

            return route_and_body

        exchange(calls, "_route_and_body", changed)

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        """Change what is sent."""
        return route, body


class OneStream(OneWay):
    """A mistake in the parameters of streams."""

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        if not stream:
            return route, body
        if kind == "generate":
            return route, body | {"parameters": self.streamed(dict(body["parameters"]))}
        return route, self.streamed(body)

    def streamed(self, parameters: Body) -> Body:
        """Change the parameters of a stream."""
        return parameters


def _less(given: Body, *names: str) -> Body:
    return {name: value for name, value in given.items() if name not in names}


class StreamLosesSampling(OneStream):
    """Builds a stream's request from the prompt and the length limit."""

    breaks = "GEN-01"
    key = "test_endpoint_params"

    def streamed(self, parameters: Body) -> Body:
        return _less(parameters, "temperature", "top_p", "seed")


class StreamDropsFalsy(OneStream):
    """Leaves out what is falsy, in streams."""

    breaks = "GEN-02"
    key = "test_endpoint_params"

    def streamed(self, parameters: Body) -> Body:
        return {name: value for name, value in parameters.items() if value or name == "prompt"}


class StreamClampsTopP(OneStream):
    """Brings the ``top_p`` of a stream into the server's range."""

    breaks = "GEN-04"
    key = "test_endpoint_params"

    def streamed(self, parameters: Body) -> Body:
        if "top_p" in parameters:
            parameters["top_p"] = min(max(parameters["top_p"], 0.01), 0.99)
        return parameters


class StreamIsStricter(OneStream):
    """Refuses penalties below 0 in streams."""

    breaks = "GEN-05"
    key = "test_endpoint_params"

    def streamed(self, parameters: Body) -> Body:
        if (parameters.get("frequency_penalty") or 0) < 0:
            raise InvalidArgumentError("frequency_penalty must be positive")
        return parameters


class StreamMendsSeed(OneStream):
    """Drops a seed that TGI refuses, in streams."""

    breaks = "GEN-11"
    key = "error_handling_400"

    def streamed(self, parameters: Body) -> Body:
        return _less(parameters, "seed") if (parameters.get("seed") or 0) < 0 else parameters


class StreamDropsN(OneStream):
    """Drops ``n`` in streams, in silence."""

    breaks = "GEN-12"
    key = "test_endpoint_params"

    def streamed(self, parameters: Body) -> Body:
        return _less(parameters, "n")


class StreamRemembersParameters(OneStream):
    """Keeps the parameters of a stream as the defaults of the next."""

    breaks = "GEN-13"
    key = "test_endpoint_params"

    def damage(self) -> None:
        self._kept: Body = {}
        super().damage()

    def streamed(self, parameters: Body) -> Body:
        sampling = ("temperature", "top_p", "seed")
        self._kept |= {name: parameters[name] for name in sampling if name in parameters}
        return parameters | self._kept
