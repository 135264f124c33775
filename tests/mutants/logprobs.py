"""Mistakes with log probabilities (RESP-13)."""
# ruff: noqa: ARG002, ARG005 - the parts exchanged take more than each mistake needs

from dataclasses import replace
from typing import Any

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import logprobs
from tgi_conformance.contracts.unset import UNSET


class StreamsLoseLogprobs(Broken):
    """Reads the log probabilities of whole answers only, as a chunk with a text is taken another way."""

    breaks = "RESP-13"
    key = "chat_method"
    shows_in = ("streams",)

    def damage(self) -> None:
        def nothing(of_answers: Any) -> Any:
            return lambda choice: None if "delta" in choice else of_answers(choice)

        exchange(logprobs, "chat_tokens", nothing)
        exchange(logprobs, "native_event", lambda _: lambda event: None)


class KeepsLogprobsByToken(BrokenCalls):
    """Gathers them in a mapping from token to number: a token that comes twice is there once."""

    breaks = "RESP-13"
    key = "chat_method"

    def answered(self, answer: Any, subject: Any, parameters: dict[str, Any]) -> Any:
        by_token = {each.token: each for each in answer.logprobs or ()}
        return replace(answer, logprobs=tuple(by_token.values()))


class TakesZeroForNothing(Broken):
    """``item["logprob"] or None``: the number of a certain token is lost."""

    breaks = "RESP-13"
    key = "chat_method"

    def damage(self) -> None:
        exchange(logprobs, "_number", lambda right: lambda value: right(value) or None)


class StreamsLoseTheLikeliest(Broken):
    """Hands out the likeliest tokens of whole answers only."""

    breaks = "RESP-13"
    key = "chat_method"
    shows_in = ("streams",)

    def damage(self) -> None:
        def bare(right: Any) -> Any:
            def read(given: Any) -> Any:
                found = right(given)
                if found is None or "message" in given:
                    return found
                return tuple(replace(each, top=()) for each in found)

            return read

        exchange(logprobs, "chat_tokens", bare)
        exchange(logprobs, "native_event", bare)


class PromptsGiveNumbersOnly(BrokenCalls):
    """Skips what has no number: the first token of the prompt is missing, and all after it are misplaced."""

    breaks = "RESP-13"
    key = "chat_method"

    def answered(self, answer: Any, subject: Any, parameters: dict[str, Any]) -> Any:
        seen = answer.prompt_logprobs
        if seen is UNSET or seen is None:
            return answer
        return replace(answer, prompt_logprobs=tuple(one for one in seen if one.logprob is not None))
