"""Mistakes in the images, tools and keys of streams alone: plain calls send the right ones."""

import re
from collections.abc import Callable
from typing import Any

from seams import Broken, BrokenCalls, exchange
from stream import BrokenStream, Pieces
from ways import Body, OneWay

from tgi_conformance.backends.reference import errors, transport
from tgi_conformance.backends.reference.stream_reader import StreamReader
from tgi_conformance.contracts.sse import ServerSentEvent

_BASE64 = re.compile(r"(?<=;base64,)[A-Za-z0-9+/=]+")
_IMAGE = re.compile(r"!\[\]\([^)]*\)")


class _OneImage(OneWay):
    """A mistake in the image URLs of a stream."""

    key = "image_processing"

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        if stream and kind == "chat":
            body["messages"] = [self._changed(message) for message in body["messages"]]
        return super().sent(kind, route, body, stream=stream)

    def _changed(self, message: Body) -> Body:
        if not isinstance(message.get("content"), list):
            return message
        parts = [
            part | {"image_url": part["image_url"] | {"url": self.url(part["image_url"]["url"])}}
            if part.get("type") == "image_url"
            else part
            for part in message["content"]
        ]
        return message | {"content": parts}

    def url(self, right: str) -> str:
        """Change an image's URL."""
        return right


class StreamUsesTheUrlAlphabet(_OneImage):
    """Encodes the images of a stream with the alphabet for URLs."""

    breaks = "IMG-02"
    shows_in = ("streams",)

    def url(self, right: str) -> str:
        return _BASE64.sub(lambda found: found[0].replace("+", "-").replace("/", "_"), right)


class StreamCallsAllImagesJpeg(_OneImage):
    """Calls every image of a stream a JPEG."""

    breaks = "IMG-03"
    shows_in = ("streams",)

    def url(self, right: str) -> str:
        return re.sub("^data:image/[a-z]+", "data:image/jpeg", right)


class StreamCutsDataUrls(_OneImage):
    """Takes the label off the data URLs of a stream."""

    breaks = "IMG-04"
    shows_in = ("streams",)

    def url(self, right: str) -> str:
        return right.partition("base64,")[2] or right


class StreamLeavesParentheses(_OneImage):
    """Leaves ``)`` in the web URLs of a stream."""

    breaks = "IMG-05"
    shows_in = ("streams",)

    def url(self, right: str) -> str:
        return right.replace("%29", ")")


class StreamPutsImagesFirst(OneWay):
    """Puts the images of a native stream before its prompt, wherever they stood."""

    breaks = "IMG-07"
    key = "image_processing"
    shows_in = ("streams",)

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        if stream and kind == "generate":
            text = body["inputs"]
            body["inputs"] = "".join(_IMAGE.findall(text)) + _IMAGE.sub("", text)
        return super().sent(kind, route, body, stream=stream)


class StreamEmptiesToolTurns(OneWay):
    """Sends past tool calls of a stream with an empty text beside them."""

    breaks = "TOOL-09"
    key = "new:tool_calls"
    shows_in = ("streams",)

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        if stream and kind == "chat":
            body["messages"] = [
                message | {"content": message.get("content") or ""} if message.get("tool_calls") else message
                for message in body["messages"]
            ]
        return super().sent(kind, route, body, stream=stream)


class StreamKnowsItsParameters(BrokenCalls):
    """Copies the parameters of a stream that it knows and forgets the rest."""

    breaks = "INIT-09"
    key = "test_endpoint_params"
    shows_in = ("streams",)

    def given(self, method: str, subject: Any, parameters: Body) -> tuple[Any, Body]:
        known = self.describe().parameters[method] | {"endpoint_id", "request_id", "stream", "deadline"}
        if not parameters.get("stream"):
            return subject, parameters
        return subject, {name: value for name, value in parameters.items() if name in known}


class _Headers(Broken):
    """A mistake in the headers of a stream."""

    def damage(self) -> None:
        def changed(right: Callable[[Any], dict[str, str]]) -> Callable[[Any], dict[str, str]]:
            return lambda request: right(request) | (self.more(request) if request.stream else {})

        exchange(transport, "_headers", changed)

    def more(self, request: Any) -> dict[str, str]:
        """Give the headers that a stream has besides."""
        raise NotImplementedError


class StreamBearsNone(_Headers):
    """Formats the missing key of a stream into its header."""

    breaks = "MUX-11"
    key = "post_request_headers"
    shows_in = ("streams",)

    def more(self, request: Any) -> dict[str, str]:
        return {} if request.settings.api_key else {"Authorization": "Bearer None"}


class StreamNamesTheKeyTwice(_Headers):
    """Sends the key of a stream in a second header, as another server wants it."""

    breaks = "SEC-03"
    key = "post_request_headers"
    shows_in = ("streams",)

    def more(self, request: Any) -> dict[str, str]:
        return {"X-Api-Key": request.settings.api_key} if request.settings.api_key else {}


class StreamTakesNullForAnError(BrokenStream):
    """``if "error" in event``."""

    breaks = "ERR-11"
    key = "post_request"

    class reader(StreamReader):  # noqa: N801
        def _event(self, event: ServerSentEvent) -> Pieces:
            if re.search(r'"error"\s*:\s*null', event.data):
                raise errors.RemoteError("None", status=200)
            return super()._event(event)
