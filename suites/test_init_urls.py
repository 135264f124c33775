"""INIT: what becomes of a base URL: its slash, its path, its version, its query, an IPv6 host."""

import ipaddress
import socket
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import pytest

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.suites.areas.ways import EITHER, SHAPE, needs_way
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_text
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, Shape


@clause("INIT-02")
@EITHER
@SHAPE
def test_a_trailing_slash_on_the_base_url_changes_nothing(case: Case, shape: Shape, *, stream: bool) -> None:
    """TGI answers a path with ``//`` with an empty 404."""
    needs_way(case, shape, stream=stream)
    space = case.serve(shape.reply("found", streaming=stream).times(0, 2))
    bare, slashed = (case.endpoint(url=space.base_url.rstrip("/") + end) for end in ("", "/"))

    outcomes = [case.call(endpoint=endpoint, shape=shape, stream=stream) for endpoint in (bare, slashed)]

    paths = [exchange.target for exchange in _posts(space.journal())]
    expect(
        len(paths) == 2 and paths[0] == paths[1] and "//" not in paths[0],
        expected="the same path for both, one slash between base and route",
        observed=" and ".join(paths) or "no request",
        journal=space.journal(),
    )
    for outcome in outcomes:
        expect_text(outcome, "found")


@clause("INIT-03")
@pytest.mark.parametrize("suffix", ["", "/v1"], ids=["bare", "v1"])
@EITHER
@pytest.mark.parametrize("shape", [CHAT, COMPLETIONS], ids=["case=chat", "completions"])
def test_a_base_url_with_or_without_v1_reaches_the_route(
    case: Case, suffix: str, shape: Shape, *, stream: bool
) -> None:
    """Both forms are handed around; ``/v1/v1`` is what a client makes of the other one."""
    needs_way(case, shape, stream=stream)
    space = case.serve(shape.reply("found", streaming=stream).times(0, 1))
    endpoint = case.endpoint(url=space.base_url.rstrip("/") + suffix)

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)

    targets = [exchange.target for exchange in _posts(space.journal())]
    expect(
        targets == list(shape.plain_paths),
        expected=f"one POST to {shape.plain_paths[0]}",
        observed=", ".join(targets) or "no request",
        journal=space.journal(),
    )
    expect_text(outcome, "found")


@clause("INIT-04")
@EITHER
@SHAPE
def test_a_path_in_the_base_url_is_kept(case: Case, shape: Shape, *, stream: bool) -> None:
    """Gateways mount TGI below a path; the root of the host is somebody else."""
    needs_way(case, shape, stream=stream)
    mount = "/gw/tgi"
    outcome, paths = _paths_below(case, shape, mount, stream=stream)

    wanted = _below(mount, _routes(shape, stream=stream))
    expect(
        len(paths) == 1 and paths[0].rstrip("/") in wanted,
        expected=f"one POST to {' or '.join(wanted)}",
        observed=", ".join(paths) or "no request",
        journal=case.journal(),
    )
    expect_text(outcome, "behind the gateway")


@clause("INIT-04", case="of-each-endpoint")
@EITHER
@SHAPE
def test_each_endpoint_keeps_its_own_path(case: Case, shape: Shape, *, stream: bool) -> None:
    """A path that the client keeps for all endpoints sends one tenant's prompts to another's gateway."""
    needs_way(case, shape, stream=stream)
    case.needs("keys")
    reply = shape.reply("behind its own", streaming=stream).times(0, 1)
    mounts = ("/gw/one", "/gw/two")
    spaces = [case.serve(reply, mount=mount) for mount in mounts]
    endpoints = [case.endpoint(url=space.base_url) for space in spaces]
    for mount, space, endpoint in zip(mounts, spaces, endpoints, strict=True):
        outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)
        paths = [exchange.path for exchange in _posts(space.journal())]
        wanted = _below(mount, _routes(shape, stream=stream))
        expect(
            len(paths) == 1 and paths[0].rstrip("/") in wanted,
            expected=f"one POST to {' or '.join(wanted)}",
            observed=", ".join(paths) or "no request",
            journal=space.journal(),
        )
        expect_text(outcome, "behind its own")


#: Paths in which a client may see a version of its own, and cut or replace it.
VERSIONED: Final = ("/v2", "/api/v1beta/", "/v1/models/Lab-7b", "/tgi-v1")


@clause("INIT-04", case="versions")
@EITHER
@SHAPE
def test_a_path_that_looks_like_a_version_is_kept(case: Case, shape: Shape, *, stream: bool) -> None:
    """Whoever wrote ``/v2`` did not mean ``/v1``; a client may take it for the version and add none."""
    needs_way(case, shape, stream=stream)
    for mount in VERSIONED:
        outcome, paths = _paths_below(case, shape, mount, stream=stream)
        right = _below(mount.rstrip("/"), _routes(shape, stream=stream))
        unversioned = _below(
            mount.rstrip("/"), [route.removeprefix("/v1") for route in _routes(shape, stream=stream)]
        )
        expect(
            len(paths) == 1 and paths[0].rstrip("/") in {*right, *unversioned},
            expected=f"one POST to {' or '.join(right)}",
            observed=", ".join(paths) or f"no request: {describe(outcome)}",
            journal=case.journal(),
        )
        if paths[0].rstrip("/") in right:
            expect_text(outcome, "behind the gateway")


def _paths_below(case: Case, shape: Shape, path: str, *, stream: bool) -> tuple[Outcome, list[str]]:
    """A call on an endpoint below a path, with a slash at its end or without, and the paths of its POSTs."""
    mount = path.rstrip("/")
    space = case.serve(shape.reply("behind the gateway", streaming=stream).times(0, 1), mount=mount)
    endpoint = case.endpoint(url=space.base_url.removesuffix("/").removesuffix(mount) + path)
    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)
    return outcome, [exchange.path for exchange in _posts(space.journal())]


def _routes(shape: Shape, *, stream: bool) -> Sequence[str]:
    return shape.stream_paths if stream else shape.plain_paths


def _below(mount: str, routes: Sequence[str]) -> list[str]:
    return [f"{mount}{route}".rstrip("/") for route in routes]


@clause("INIT-10")
@EITHER
@SHAPE
def test_an_ipv6_address_is_reached_and_named_in_brackets(case: Case, shape: Shape, *, stream: bool) -> None:
    """``host.split(":")`` finds no port there, and a Host without brackets is a 400 to strict servers."""
    needs_way(case, shape, stream=stream)
    _needs_ipv6()
    reply = shape.reply("by the other road", streaming=stream)
    space = case.serve(reply.times(0, 1), origins=("a", "ipv6:b"))

    created = case.try_endpoint(url=space.url("ipv6:b"))
    outcome = created
    if created.returned:
        outcome = case.call(endpoint=case.made(created), shape=shape, stream=stream)

    hosts = [exchange.header_values("host") for exchange in space.journal().generations]
    expect(
        len(hosts) == 1 and len(hosts[0]) == 1 and _is_loopback(hosts[0][0], space.port("ipv6:b")),
        expected=f"one request with Host: [::1]:{space.port('ipv6:b')}",
        observed=f"Host {hosts}" if hosts else f"no request: {describe(outcome)}",
        journal=space.journal(),
    )
    expect_text(outcome, "by the other road")


def _needs_ipv6() -> None:
    """End the case as not applicable on a machine that has no IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
            listener.bind(("::1", 0))
    except OSError as why:
        raise NotApplicable(f"this machine has no IPv6: {why}") from why


def _is_loopback(host: str, port: int) -> bool:
    """Whether a Host header names ::1, in whatever spelling, in brackets, and the port."""
    name, colon, number = host.rpartition(":")
    if not colon or number != str(port) or not (name.startswith("[") and name.endswith("]")):
        return False
    try:
        return ipaddress.ip_address(name[1:-1]).is_loopback
    except ValueError:
        return False


#: What a gateway may tell its tenants apart by.
QUERY: Final = "api-version=2025-04-01&tenant=lab%2F7"


@clause("INIT-11")
@EITHER
@SHAPE
def test_a_query_of_the_base_url_is_kept_or_refused(case: Case, shape: Shape, *, stream: bool) -> None:
    """Glued together, the route ends up in the query; dropped, the gateway answers for somebody else."""
    needs_way(case, shape, stream=stream)
    space = case.serve(shape.reply("found", streaming=stream).times(0, 1))
    created = case.try_endpoint(url=f"{space.base_url}?{QUERY}")
    if created.raised:
        return  # refused aloud

    outcome = case.call(endpoint=case.made(created), shape=shape, stream=stream)

    sent = _posts(space.journal())
    if outcome.raised and not sent:
        return
    targets = [urlsplit(exchange.target) for exchange in sent]
    wanted = _below("", _routes(shape, stream=stream))
    expect(
        len(targets) == 1 and targets[0].path.rstrip("/") in wanted and targets[0].query == QUERY,
        expected=f"one POST to {' or '.join(route or '/' for route in wanted)} with the query {QUERY}",
        observed=", ".join(exchange.target for exchange in sent) or "no request",
        journal=space.journal(),
    )
    expect_text(outcome, "found")


def _posts(journal: Journal) -> tuple[Exchange, ...]:
    """All POSTs, those to paths that are no route included."""
    return journal.select(lambda exchange: exchange.method == "POST")
