"""What a client takes from its surroundings, and carries from one endpoint to another (SEC, MUX)."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

import netrc
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

from seams import Broken, exchange

from tgi_conformance.backends.reference import transport


class OneJar(Broken):
    """Keeps cookies in one jar for all endpoints of a client, by whatever ``jar_of`` tells apart."""

    def damage(self) -> None:
        jars: dict[str, dict[str, str]] = {}

        def sending(right: Any) -> Any:
            def headers(request: Any) -> dict[str, str]:
                jar = jars.get(self.jar_of(request.settings.base_url), {})
                kept = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {}
                return right(request) | kept

            return headers

        def keeping(right: Any) -> Any:
            async def send(pool: Any, url: Any, request: Any) -> Any:
                response = await right(pool, url, request)
                jar = jars.setdefault(self.jar_of(request.settings.base_url), {})
                for line in response.headers.get_list("set-cookie"):
                    name, _, value = line.partition(";")[0].partition("=")
                    jar[name] = value
                return response

            return send

        exchange(transport, "_headers", sending)
        exchange(transport.Transport, "_send", keeping)

    def jar_of(self, base_url: str) -> str:
        """What has a jar of its own."""
        return ""


class CookiesGoAnywhere(OneJar):
    """Sends the cookies of any server to all."""

    breaks = "SEC-10"
    key = "post_request_headers"


class CookiesOfAllKeys(OneJar):
    """Keeps cookies by host, as a browser does, whosever key it was (litellm)."""

    breaks = "SEC-11"
    key = "post_request_headers"

    def jar_of(self, base_url: str) -> str:
        return transport.httpx.URL(base_url).host


class NetrcWins(Broken):
    """Has a library beneath it that puts the login of ``.netrc`` in the place of the key (requests)."""

    breaks = "MUX-10"
    key = "post_request_headers"

    def damage(self) -> None:
        def make(right: Any) -> Any:
            def headers(request: Any) -> dict[str, str]:
                made: dict[str, str] = right(request)
                return made | self.login(request)

            return headers

        exchange(transport, "_headers", make)

    def login(self, request: Any) -> dict[str, str]:
        """The header that the file gives."""
        file = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
        host = transport.httpx.URL(request.settings.base_url).host
        found = netrc.netrc(file).authenticators(host) if file.exists() else None
        if found is None:
            return {}
        return {"Authorization": f"Basic {b64encode(f'{found[0]}:{found[2]}'.encode()).decode()}"}


class NetrcWinsInStreams(NetrcWins):
    """The same, where a stream is opened."""

    breaks = "MUX-10"
    shows_in = ("streams",)

    def login(self, request: Any) -> dict[str, str]:
        return super().login(request) if request.stream else {}
