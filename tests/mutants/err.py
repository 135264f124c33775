"""Mistakes with failures (ERR)."""
# ruff: noqa: ARG001, ARG005 - the parts exchanged take more than each mistake needs

import json
from dataclasses import replace
from typing import Any

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import engine, errors, responses, stream_reader, transport
from tgi_conformance.contracts.adapter import Answer, ErrorInfo
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.unset import UNSET


class ErrorsAsText(BrokenCalls):
    """Catches everything, and hands the error's text out as the answer."""

    breaks = "ERR-01"
    key = "error_handling_400"

    def _changed(self, method: str, subject: Any, parameters: dict[str, Any]) -> Any:
        try:
            return super()._changed(method, subject, parameters)
        except errors.TGIError as error:
            return Answer(text=f"Error: {error}")


def _decoding(make: Any) -> Any:
    """Exchange the maker of status errors."""
    exchange(engine, "status_error", make)


class DecodesEmpty401(Broken):
    """Calls ``json()`` on the body of every failure."""

    breaks = "ERR-02"
    key = "error_handling_auth"

    def damage(self) -> None:
        def make(right: Any) -> Any:
            def status_error(status: int, body: bytes, **given: Any) -> Any:
                if status == 401:
                    json.loads(body)
                return right(status, body, **given)

            return status_error

        _decoding(make)


class HidesMessage(Broken):
    """Says "request failed" whatever TGI said."""

    breaks = "ERR-03"
    key = "error_handling_400"

    def damage(self) -> None:
        def make(right: Any) -> Any:
            def status_error(status: int, body: bytes, **given: Any) -> Any:
                error = right(status, body, **given)
                if body.startswith(b"{"):
                    error.message, error.excerpt, error.args = "request failed", "", ("request failed",)
                return error

            return status_error

        _decoding(make)


class ParsesHtml(Broken):
    """Expects JSON of every failure, and reports that it was none."""

    breaks = "ERR-04"
    key = "error_handling_400"

    def damage(self) -> None:
        def make(right: Any) -> Any:
            def status_error(status: int, body: bytes, **given: Any) -> Any:
                try:
                    json.loads(body or b"{}")
                except ValueError as error:
                    return errors.ProtocolError(f"not JSON: {error}")
                return right(status, body, **given)

            return status_error

        _decoding(make)


class IndexesError(Broken):
    """Reads ``payload["error"]`` of whatever JSON it finds."""

    breaks = "ERR-05"
    key = "error_handling_400"

    def damage(self) -> None:
        def make(right: Any) -> Any:
            def status_error(status: int, body: bytes, **given: Any) -> Any:
                if body[:1] in b'[{"0123456789nt' and body:
                    try:
                        payload = json.loads(body)
                    except ValueError:
                        return right(status, body, **given)
                    payload["error"].strip()
                return right(status, body, **given)

            return status_error

        _decoding(make)


class OneKind(Broken):
    """Has one exception for every status."""

    breaks = "ERR-06"
    key = "error_handling_400"

    def classify(self, error: BaseException) -> ErrorInfo | None:
        info = super().classify(error)
        if info is None or not isinstance(info.status, int):
            return info
        return replace(info, kind=ErrorKind.BAD_REQUEST)


class WaitsForEver(Broken):
    """Has no time limit for reading."""

    breaks = "ERR-07"
    key = "new:timeouts"

    def damage(self) -> None:
        exchange(transport, "_timeout", lambda _: lambda settings: transport.httpx.Timeout(None))


class RawTransportErrors(Broken):
    """Lets the HTTP library's exceptions through."""

    breaks = "ERR-08"
    key = "new:transport_errors"

    def damage(self) -> None:
        def raw(error: Exception, *, status: int | None) -> Exception:
            return RuntimeError(f"{type(error).__name__}: {error}")

        exchange(transport, "_translate", lambda _: raw)


class BlamesRequest(Broken):
    """Takes every failure with an error type for a validation error."""

    breaks = "ERR-09"
    key = "new:error_handling_server"

    def classify(self, error: BaseException) -> ErrorInfo | None:
        info = super().classify(error)
        if info is not None and info.error_type not in (None, UNSET) and info.status in (424, 500):
            return replace(info, kind=ErrorKind.VALIDATION)
        return info


class SwallowsInterrupt(BrokenCalls):
    """Catches ``BaseException`` round the call."""

    breaks = "ERR-10"
    key = "new:cancellation"

    def _changed(self, method: str, subject: Any, parameters: dict[str, Any]) -> Any:
        try:
            return super()._changed(method, subject, parameters)
        except KeyboardInterrupt:
            return Answer(text="")


class TakesNullForAnError(Broken):
    """``if "error" in answer``."""

    breaks = "ERR-11"
    key = "post_request"

    def damage(self) -> None:
        for reader in (responses, stream_reader):
            exchange(reader, "is_error_object", lambda _: lambda value: "error" in (value or ()))
