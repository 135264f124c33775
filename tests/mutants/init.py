"""Mistakes in how handlers are made and endpoints are tested (INIT)."""

import socket
from typing import Any

import httpx
from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import settings


class PhonesHome(Broken):
    """Asks a host of its maker's for a newer version whenever an endpoint is made."""

    breaks = "INIT-01"
    key = "endpoint_handler"

    def create_endpoint(self, **given: Any) -> str:
        with socket.socket() as home:
            home.settimeout(0.2)
            home.connect_ex(("127.0.0.1", 9))
        return super().create_endpoint(**given)


class DoubledSlash(Broken):
    """Joins base URL and route without looking at the base URL's last character."""

    breaks = "INIT-02"
    key = "endpoint_handler"

    def damage(self) -> None:
        exchange(settings, "_server_root", lambda right: lambda url: right(url) + "/" * url.endswith("/"))


class DoubledVersion(Broken):
    """Appends ``/v1/chat/completions`` to a base URL that ends in ``/v1`` already."""

    breaks = "INIT-03"
    key = "endpoint_handler"

    def damage(self) -> None:
        exchange(settings, "_server_root", lambda _: lambda url: url.rstrip("/"))


class LosesMount(Broken):
    """Keeps scheme, host and port of the base URL, as ``urljoin`` with an absolute path does."""

    breaks = "INIT-04"
    key = "endpoint_handler"

    def damage(self) -> None:
        exchange(settings, "_server_root", lambda _: lambda url: str(httpx.URL(url).copy_with(path="")))


class WarmsUp(Broken):
    """Generates a token when an endpoint is made, to have the model loaded."""

    breaks = "INIT-05"
    key = "endpoint_handler"

    def create_endpoint(self, **given: Any) -> str:
        endpoint = super().create_endpoint(**given)
        self._client.test_endpoint(base_url=given["base_url"], api_key=given.get("api_key"))
        return endpoint


class TakesNonsense(Broken):
    """Believes every number: a concurrency of 0 is a slot that never comes."""

    breaks = "INIT-06"
    key = "max_concurrent_requests"

    def damage(self) -> None:
        exchange(settings, "_check_whole", lambda _: lambda *_, **__: None)
        exchange(settings, "_check_number", lambda _: lambda *_, **__: None)


class TruthyFailure(Broken):
    """Reports a failed test as ``{"success": False}``, which is true."""

    breaks = "INIT-07"
    key = "test_endpoint"

    def test_endpoint(self, **given: Any) -> Any:
        check = super().test_endpoint(**given)
        return {"success": bool(check), "error": check.detail}


class TestsWithoutKey(Broken):
    """Drops the key on the way to the test."""

    breaks = "INIT-08"
    key = "test_endpoint_params"

    def test_endpoint(self, **given: Any) -> Any:
        return super().test_endpoint(**given | {"api_key": None})


class TestsFirstEndpoint(Broken):
    """Tests the URL of the endpoint made first, whatever URL it is given."""

    breaks = "INIT-08"
    key = "test_endpoint_params"
    _first: str | None = None

    def create_endpoint(self, **given: Any) -> str:
        self._first = given["base_url"]
        return super().create_endpoint(**given)

    def test_endpoint(self, **given: Any) -> Any:
        return super().test_endpoint(**given | {"base_url": self._first or given["base_url"]})


class KeepsKnownOnly(BrokenCalls):
    """Copies the parameters that it knows and forgets the rest."""

    breaks = "INIT-09"
    key = "test_endpoint_params"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        known = self.describe().parameters[method] | {"endpoint_id", "request_id", "stream", "deadline"}
        return subject, {name: value for name, value in parameters.items() if name in known}
