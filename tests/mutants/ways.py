"""Mistakes that stand in the code of one way to make a call alone: in streams, or on one route."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

import copy
import json
import re
from dataclasses import replace
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

    shows_in = ("streams",)

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


class StreamSendsBareStop(OneStream):
    """Sends a single stop string of a stream as a text."""

    breaks = "REQ-06"
    key = "post_request"

    def streamed(self, parameters: Body) -> Body:
        stops = parameters.get("stop") or ()
        return parameters | {"stop": stops[0]} if len(stops) == 1 else parameters


class StreamSendsBothLimits(OneStream):
    """Sends both names of the length limit with a stream."""

    breaks = "REQ-07"
    key = "chat_method"

    def streamed(self, parameters: Body) -> Body:
        if "messages" in parameters and "max_tokens" in parameters:
            parameters["max_completion_tokens"] = parameters["max_tokens"]
        return parameters


class StreamFloatsIntegers(OneStream):
    """Takes the integers of a stream through a float."""

    breaks = "REQ-09"
    key = "test_endpoint_params"

    def streamed(self, parameters: Body) -> Body:
        return {
            name: float(value) if isinstance(value, int) and name.startswith(("max_", "top_")) else value
            for name, value in parameters.items()
        }


class StreamStripsPrompt(OneWay):
    """Tidies up the prompt of a stream."""

    breaks = "REQ-02"
    key = "post_request"
    shows_in = ("streams",)

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        name = {"generate": "inputs", "completions": "prompt"}.get(kind, "")
        if stream and isinstance(body.get(name), str):
            body[name] = body[name].strip()
        return route, body


class CutsCompletionsPrompt(OneWay):
    """Cuts the prompt of ``/v1/completions`` where it takes a context to be full."""

    breaks = "REQ-02"
    key = "post_request"
    shows_in = ("completions",)

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        if kind == "completions" and isinstance(body["prompt"], str):
            body["prompt"] = body["prompt"][:100_000]
        return route, body


class FillsEmptyPrompt(OneWay):
    """Sends a blank where the prompt is empty."""

    breaks = "REQ-02"
    key = "post_request"

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        return route, {name: value or " " if name == "prompt" else value for name, value in body.items()}


class OneMessages(OneWay):
    """A mistake in the messages of a chat."""

    shows_in = ("chats",)

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        if kind == "chat":
            body["messages"] = [self.message(dict(said), stream=stream) for said in body["messages"]]
        return route, body

    def message(self, said: Body, *, stream: bool) -> Body:
        """Change a message that is sent."""
        return said


class TidiesSystemMessages(OneMessages):
    """Makes each run of white space in a system message one blank."""

    breaks = "REQ-03"
    key = "chat_method"

    def message(self, said: Body, *, stream: bool) -> Body:
        if said["role"] == "system" and isinstance(said["content"], str):
            said["content"] = re.sub(r"\s+", " ", said["content"])
        return said


class CutsLongContents(OneMessages):
    """Cuts the contents of a stream's messages at 32,768 characters."""

    breaks = "REQ-03"
    key = "chat_method"

    def message(self, said: Body, *, stream: bool) -> Body:
        if stream and isinstance(said.get("content"), str):
            said["content"] = said["content"][:32_768]
        return said


class CutsLongResults(OneMessages):
    """Cuts the results of tools at 16,000 characters, to save context."""

    breaks = "REQ-03"
    key = "chat_method"

    def message(self, said: Body, *, stream: bool) -> Body:
        if said["role"] == "tool" and isinstance(said["content"], str):
            said["content"] = said["content"][:16_000]
        return said


class DropsEmptyTurns(OneWay):
    """Leaves out the turns that say nothing."""

    breaks = "REQ-03"
    key = "chat_method"
    shows_in = ("chats",)

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        if kind == "chat":
            body["messages"] = [said for said in body["messages"] if said.get("content") != ""]
        return route, body


class KeepsFirstPart(OneMessages):
    """Keeps the first of several parts of text."""

    breaks = "REQ-03"
    key = "chat_method"

    def message(self, said: Body, *, stream: bool) -> Body:
        parts = said.get("content")
        if isinstance(parts, list) and all(part.get("type") == "text" for part in parts):
            said["content"] = parts[0]["text"]
        return said


class StreamKeepsHistory(OneWay):
    """Sends what was said in a stream before with the next stream."""

    breaks = "REQ-03"
    key = "chat_method"
    shows_in = ("streams", "chats")

    def damage(self) -> None:
        self._said: list[Body] = []
        super().damage()

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        if kind == "chat" and stream:
            body["messages"] = self._said = [*self._said, *body["messages"]][-6:]
        return route, body


class StreamChangesMessages(Broken):
    """Puts what the model says behind the caller's own messages, in streams."""

    breaks = "REQ-13"
    key = "post_request"
    shows_in = ("streams", "chats")

    def chat(self, messages: Any, **given: Any) -> Any:
        answer = super().chat(messages, **given)
        return self._told(messages, answer) if given.get("stream") else answer

    def _told(self, messages: Any, pieces: Any) -> Any:
        text = ""
        for piece in pieces:
            text += piece.text
            yield piece
        messages.append({"role": "assistant", "content": text})


class CompletionsNameNoModel(OneWay):
    """Leaves the model out of ``/v1/completions``."""

    breaks = "REQ-18"
    key = "post_request"
    shows_in = ("completions",)

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        return route, _less(body, "model") if kind == "completions" else body


class LowersModel(OneWay):
    """Puts the name of a model in small letters."""

    breaks = "REQ-18"
    key = "post_request"

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        return route, body | {"model": body["model"].lower()} if "model" in body else body


class StreamForgetsModel(OneWay):
    """Cuts a provider's prefix off the model of a stream."""

    breaks = "REQ-18"
    key = "post_request"
    shows_in = ("streams",)

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        if stream and "model" in body:
            body["model"] = body["model"].removeprefix("openai/")
        return route, body


class StreamDropsTools(OneStream):
    """Leaves a stream's tools out, and its choice of one."""

    breaks = "TOOL-01"
    key = "new:tool_calls"
    shows_in = ("streams", "tools")

    def streamed(self, parameters: Body) -> Body:
        return _less(parameters, "tools", "tool_choice")


class StreamDropsToolChoice(OneStream):
    """Leaves the choice of a tool out of streams."""

    breaks = "TOOL-03"
    key = "new:tool_calls"
    shows_in = ("streams", "tools")

    def streamed(self, parameters: Body) -> Body:
        return _less(parameters, "tool_choice")


class StreamDropsGrammar(OneStream):
    """Leaves the grammar out of streams."""

    breaks = "TOOL-11"
    key = "new:structured_output"

    def streamed(self, parameters: Body) -> Body:
        return _less(parameters, "grammar")


class StreamDropsResponseFormat(OneStream):
    """Leaves the response format out of streams."""

    breaks = "TOOL-12"
    key = "new:structured_output"

    def streamed(self, parameters: Body) -> Body:
        return _less(parameters, "response_format")


class DropsToolCallId(OneMessages):
    """Sends the fields of a message that TGI reads, and no other."""

    breaks = "TOOL-09"
    key = "new:tool_calls"

    def message(self, said: Body, *, stream: bool) -> Body:
        return _less(said, "tool_call_id")


class RewritesArguments(OneMessages):
    """Decodes the arguments of past calls and encodes them again, in streams."""

    breaks = "TOOL-09"
    key = "new:tool_calls"

    def message(self, said: Body, *, stream: bool) -> Body:
        for made in copy.deepcopy(said.get("tool_calls") or []) if stream else []:
            made["function"]["arguments"] = json.dumps(json.loads(made["function"]["arguments"]))
            said["tool_calls"] = [*said["tool_calls"][1:], made]
        return said


class StreamDropsImages(OneMessages):
    """Sends the texts of a stream's messages, and no images."""

    breaks = "IMG-01"
    key = "image_processing"
    shows_in = ("streams",)

    def message(self, said: Body, *, stream: bool) -> Body:
        if stream and isinstance(said.get("content"), list):
            said["content"] = [part for part in said["content"] if part.get("type") == "text"]
        return said


class StreamLosesDefaults(OneWay):
    """Puts its own defaults into plain calls alone."""

    breaks = "DECL-01"
    key = "new:declarations"
    shows_in = ("streams",)

    def describe(self) -> Any:
        told = super().describe()
        return replace(told, defaults=replace(told.defaults, parameters={"temperature": 0.5}))

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        if not stream and kind != "generate":
            body.setdefault("temperature", 0.5)
        return route, body


class StreamSortsStops(OneStream):
    """Keeps the stop strings of a stream as a set."""

    breaks = "GEN-08"
    key = "test_endpoint_params"

    def streamed(self, parameters: Body) -> Body:
        return parameters | {"stop": sorted(set(parameters["stop"]))} if "stop" in parameters else parameters


class StreamDropsFormatUnclaimed(StreamDropsResponseFormat):
    """Loses the response format of a stream, and does not claim that it can do grammars."""

    breaks = "GEN-01"
    key = "test_endpoint_params"
    shows_in = ("streams",)

    def describe(self) -> Any:
        told = super().describe()
        return replace(told, capabilities=told.capabilities - {"grammar"})


class ForgetsOldTurns(OneWay):
    """Sends the last 100 messages of a conversation."""

    breaks = "REQ-03"
    key = "chat_method"
    shows_in = ("chats",)

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        return route, body | {"messages": body["messages"][-100:]} if kind == "chat" else body
