"""Mistakes with the model that is named for one call (REQ-18)."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

from typing import Any

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import calls


class StreamsForgetTheCallsModel(BrokenCalls):
    """Hands the model of a call to the function for whole answers only."""

    breaks = "REQ-18"
    key = "chat_method"
    shows_in = ("streams",)

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if parameters.get("stream"):
            parameters = {name: value for name, value in parameters.items() if name != "model"}
        return subject, parameters


class CutsTheProvider(Broken):
    """Takes what stands before the first slash of a call's model for a provider's name."""

    breaks = "REQ-18"
    key = "chat_method"

    def damage(self) -> None:
        def cutting(right: Any) -> Any:
            def made(*given: Any, parameters: Any, **more: Any) -> Any:
                if isinstance(parameters.get("model"), str):
                    parameters = {**parameters, "model": parameters["model"].partition("/")[2]}
                return right(*given, parameters=parameters, **more)

            return made

        exchange(calls, "_route_and_body", cutting)
