"""Mistakes in generation parameters (GEN)."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

from dataclasses import replace
from typing import Any

from seams import Broken, BrokenCalls, exchange, with_text

from tgi_conformance.backends.reference import calls, request_bodies
from tgi_conformance.backends.reference.errors import InvalidArgumentError

Given = tuple[Any, dict[str, Any]]


class LosesTypicalP(BrokenCalls):
    """Forgets one of the parameters it offers."""

    breaks = "GEN-01"
    key = "test_endpoint_params"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> Given:
        parameters.pop("frequency_penalty" if method != "generate" else "typical_p", None)
        return subject, parameters


class RoundsSeed(BrokenCalls):
    """Takes the seed through a float."""

    breaks = "GEN-01"
    key = "test_endpoint_params"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> Given:
        if isinstance(parameters.get("seed"), int):
            parameters["seed"] = int(float(parameters["seed"]))
        return subject, parameters


class DropsFalsy(Broken):
    """Leaves out what is falsy: ``if value``."""

    breaks = "GEN-02"
    key = "test_endpoint_params"

    def damage(self) -> None:
        def truthy(parameters: Any) -> dict[str, Any]:
            return {name: value for name, value in parameters.items() if value}

        exchange(request_bodies, "_set_only", lambda _: truthy)


class SamplesAtZero(Broken):
    """Drops a native temperature of 0 and lets the server sample."""

    breaks = "GEN-03"
    key = "test_endpoint_params"

    def damage(self) -> None:
        def dropped(given: Any) -> Any:
            if given.get("temperature") != 0:
                return given
            return {name: value for name, value in given.items() if name != "temperature"} | {
                "do_sample": True
            }

        exchange(request_bodies, "_greedy_at_zero", lambda _: dropped)


class ClampsTopP(BrokenCalls):
    """Brings ``top_p`` into the server's range."""

    breaks = "GEN-04"
    key = "test_endpoint_params"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> Given:
        if "top_p" in parameters and parameters["top_p"] is not None:
            parameters["top_p"] = min(max(parameters["top_p"], 0.01), 0.99)
        return subject, parameters


class StricterThanRouter(BrokenCalls):
    """Refuses penalties of 0 and below, as TGI's own Python client does."""

    breaks = "GEN-05"
    key = "test_endpoint_params"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> Given:
        if (parameters.get("frequency_penalty") or 1) < 0:
            raise InvalidArgumentError("frequency_penalty must be positive")
        return subject, parameters


class ClampsLimit(BrokenCalls):
    """Brings the length limit into a range that it takes for reasonable."""

    breaks = "GEN-06"
    key = "test_endpoint_params"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> Given:
        for name in ("max_tokens", "max_new_tokens"):
            if parameters.get(name) is not None:
                parameters[name] = min(max(parameters[name], 1), 128)
        return subject, parameters


class TwentyTokens(BrokenCalls):
    """Asks for 20 tokens where the caller says nothing."""

    breaks = "GEN-07"
    key = "test_endpoint_params"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> Given:
        parameters.setdefault("max_new_tokens" if method == "generate" else "max_tokens", 20)
        return subject, parameters


class FourStops(BrokenCalls):
    """Keeps the first four stop strings."""

    breaks = "GEN-08"
    key = "test_endpoint_params"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> Given:
        if isinstance(parameters.get("stop"), list):
            parameters["stop"] = parameters["stop"][:4]
        return subject, parameters


class CutsAtStop(BrokenCalls):
    """Cuts the text at the first place where a stop string stands."""

    breaks = "GEN-09"
    key = "test_endpoint_params"

    def answered(self, answer: Any, subject: Any, parameters: dict[str, Any]) -> Any:
        for stop in parameters.get("stop") or ():
            answer = with_text(answer, lambda text, stop=stop: text.split(stop)[0])
        return answer


class LeavesFullText(Broken):
    """Uses ``/`` and leaves ``return_full_text`` to the server."""

    breaks = "GEN-10"
    key = "test_endpoint_params"

    def damage(self) -> None:
        def silent(right: Any) -> Any:
            def native_body(*args: Any, **kwargs: Any) -> Any:
                body = right(*args, **kwargs)
                body["parameters"].pop("return_full_text", None)
                return body

            return native_body

        exchange(calls, "native_body", silent)

    def create_endpoint(self, **given: Any) -> str:
        return super().create_endpoint(**given, native_route="/")


class MendsCombinations(BrokenCalls):
    """Drops ``best_of`` where it does not fit."""

    breaks = "GEN-11"
    key = "error_handling_400"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> Given:
        if parameters.get("stream") or parameters.get("seed") is not None:
            parameters.pop("best_of", None)
        return subject, parameters


class CopiesChoices(BrokenCalls):
    """Makes ``n`` choices of the one that there is."""

    breaks = "GEN-12"
    key = "test_endpoint_params"

    def answered(self, answer: Any, subject: Any, parameters: dict[str, Any]) -> Any:
        return replace(answer, texts=answer.texts * (parameters.get("n") or 1))


class RemembersParameters(BrokenCalls):
    """Keeps the parameters of a call as the defaults of the next."""

    breaks = "GEN-13"
    key = "test_endpoint_params"

    def damage(self) -> None:
        self._kept: dict[tuple[str, object], dict[str, Any]] = {}

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> Given:
        own = ("endpoint_id", "request_id", "stream", "deadline")
        kept = self._kept.setdefault((method, parameters.get("endpoint_id")), {})
        kept.update({name: value for name, value in parameters.items() if name not in own})
        return subject, kept | parameters
