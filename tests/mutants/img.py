"""Mistakes with images (IMG)."""

import base64
from typing import Any

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import images, messages, retry_policy


class Flattens(BrokenCalls):
    """Makes one text of a message's parts."""

    breaks = "IMG-01"
    key = "image_processing"
    shows_in = ("chats",)

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if method == "chat":
            subject = [
                {**message, "content": str(message["content"])}
                if isinstance(message.get("content"), list)
                else message
                for message in subject
            ]
        return subject, parameters


class UrlAlphabet(Broken):
    """Encodes with the alphabet for URLs."""

    breaks = "IMG-02"
    key = "image_processing"

    def damage(self) -> None:
        def data_url(image: bytes) -> str:
            return f"data:{images.mime_type(image)};base64,{base64.urlsafe_b64encode(image).decode()}"

        exchange(images, "_data_url", lambda _: data_url)


class AlwaysJpeg(Broken):
    """Calls every image a JPEG."""

    breaks = "IMG-03"
    key = "image_processing"

    def damage(self) -> None:
        exchange(images, "mime_type", lambda _: lambda _: "image/jpeg")


class WrapsAgain(Broken):
    """Wraps a ready-made data URL once more."""

    breaks = "IMG-04"
    key = "image_processing"

    def damage(self) -> None:
        def again(right: Any) -> Any:
            def image_url(image: Any) -> str:
                return right(image.encode() if isinstance(image, str) and image[:5] == "data:" else image)

            return image_url

        exchange(messages, "image_url", again)


class BareParenthesis(Broken):
    """Leaves ``)`` in web URLs."""

    breaks = "IMG-05"
    key = "image_processing"

    def damage(self) -> None:
        exchange(messages, "image_url", lambda right: lambda image: right(image).replace("%29", ")"))


class SendsTooMuchAgain(Broken):
    """Retries a 413."""

    breaks = "IMG-06"
    key = "image_processing"

    def damage(self) -> None:
        exchange(retry_policy, "RETRYABLE_STATUSES", lambda right: right | {413})


class ImagesFirst(Broken):
    """Puts native images before the prompt, wherever they stood."""

    breaks = "IMG-07"
    key = "image_processing"

    def damage(self) -> None:
        def first(right: Any) -> Any:
            def prompt_text(prompt: Any) -> str:
                if not isinstance(prompt, str):
                    prompt = sorted(prompt, key=lambda part: isinstance(part, str))
                return right(prompt)

            return prompt_text

        from tgi_conformance.backends.reference import request_bodies  # noqa: PLC0415

        exchange(request_bodies, "prompt_text", first)
