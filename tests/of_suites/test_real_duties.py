"""The suite's own duties (REAL-01, REAL-05): what leaves, what is no success, what is redacted."""

import subprocess
import sys
from pathlib import Path

import pytest

from tgi_conformance.backends.driver.driver import Went
from tgi_conformance.backends.driver.spec import BackendSpec
from tgi_conformance.contracts.loopback import is_port_here, leaves_here, stays_here
from tgi_conformance.contracts.outside import Outside
from tgi_conformance.suites.harness import connects
from tgi_conformance.suites.harness.oracles import left_this_machine
from tgi_conformance.suites.harness.session import CaseRecord


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "::ffff:127.0.0.1", "localhost", "a.localhost", "", "None"],
)
def test_these_are_this_machine(host: str) -> None:
    assert stays_here(host)


@pytest.mark.parametrize(
    "host", ["203.0.113.7", "10.0.0.1", "2001:db8::1", "fe80::1%eth0", "huggingface.co", "localhost.example"]
)
def test_these_are_not(host: str) -> None:
    assert not stays_here(host)
    assert leaves_here(f"{host}:443")


def test_a_name_of_this_machine_and_a_socket_of_its_file_system_stay() -> None:
    assert stays_here("box-7", own=["box-7"])
    assert not leaves_here("'/run/nscd/socket'")
    assert not leaves_here("::1:8080")
    assert is_port_here("::1:8080")
    assert not is_port_here("'/run/nscd/socket'")
    assert not is_port_here("203.0.113.7:80")


def test_each_connect_and_look_up_elsewhere_is_a_breach_of_real_01() -> None:
    findings = left_this_machine(["127.0.0.1:80", "203.0.113.7:8125"], ["localhost", "telemetry.example"])
    assert [(f.clause, f.breach) for f in findings] == [("REAL-01", True)] * 2
    assert "203.0.113.7:8125" in findings[0].message
    assert "telemetry.example" in findings[1].message
    (fine,) = left_this_machine(["127.0.0.1:80"], ["localhost"])
    assert not fine.breach


def test_the_look_up_of_an_address_asks_nobody() -> None:
    (fine,) = left_this_machine([], ["203.0.113.7", "2001:db8::1"])
    assert not fine.breach


class Told:
    """A driver, as far as it tells where its backend went."""

    def __init__(self, *went: Went, open_to_all: bool = False) -> None:
        self.spec = BackendSpec(adapter="a:A", allow_network=open_to_all)
        self.went = lambda: list(went)


@pytest.mark.parametrize(
    ("went", "message", "ruled"),
    [
        (Went((), (), ()), "nothing left this machine", (False, True)),
        (Went((), None, ()), "the host does not watch look-ups, so nobody knows", (False, False)),
        (Went(None, None, ()), "does not watch connects and look-ups, so nobody knows", (False, False)),
        (Went(("203.0.113.7:80",), None, ()), "connected to 203.0.113.7:80", (True, True)),
    ],
)
def test_a_host_without_a_watch_is_not_said_to_have_seen_nothing(
    went: Went, message: str, ruled: tuple[bool, bool]
) -> None:
    record = CaseRecord(case="A-01/a", clause="A-01", backend="b")
    connects.note_where_it_went(Told(went), record)  # type: ignore[arg-type]
    (finding,) = record.findings
    assert message in finding.message
    assert (finding.breach, finding.looked) == ruled


def test_what_every_census_of_a_case_told_is_ruled_and_nothing_where_the_network_is_open() -> None:
    attempt = Outside(what="lookup", where="a.example", refused=True)
    told = (Went((), ("a.example",), (attempt,)), Went((), ("a.example",), (attempt,)))
    record = CaseRecord(case="A-01/a", clause="A-01", backend="b")
    connects.note_where_it_went(Told(*told), record)  # type: ignore[arg-type]
    assert [finding.message for finding in record.findings] == ["the backend's process looked up 'a.example'"]
    assert record.outside == [attempt, attempt]
    opened = CaseRecord(case="A-01/a", clause="A-01", backend="b")
    connects.note_where_it_went(Told(*told, open_to_all=True), opened)  # type: ignore[arg-type]
    assert [(finding.breach, finding.looked) for finding in opened.findings] == [(False, False)]


def test_the_watch_sees_connects_of_this_process_by_any_library() -> None:
    code = """
import socket
from tgi_conformance.suites.harness import connects
connects.watch()
connects.watch()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
    try:
        datagrams.connect(("203.0.113.7", 9))  # sends nothing
    except OSError:
        pass
socket.getaddrinfo("127.0.0.1", 80)
print(connects.connects(), connects.lookups())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "('203.0.113.7:9',) ('127.0.0.1',)"


_REDACTOR = """
import tgi_conformance.suites.test_real as t
t.redact = lambda value, keys: str(value).replace(keys["A"], "key:A")
"""
_MAP = """
import tgi_conformance.suites.test_real as t
from tgi_conformance.reports.results_map import ResultsMap
t.roll_up = lambda verdicts, backend: ResultsMap(backend=backend, values={t.RESULTS_KEYS[0]: "Success"})
"""
_CONNECT = """
from tgi_conformance.suites.harness import connects
connects._connects["203.0.113.7:443"] = None
"""
#: A duty that is not kept: the case, what is done to the suite, and what it must say.
DUTIES = {
    "a redactor that misses base64": ("REAL-05/redacted", _REDACTOR, "left in what reports are made of"),
    "a map that takes a skip for a success": ("REAL-01/not-run-not-here", _MAP, "is told as 'Success'"),
    "a kit that talks to strangers": ("REAL-01/kit", _CONNECT, "the kit connected to ['203.0.113.7:443']"),
}


@pytest.mark.parametrize("name", sorted(DUTIES))
def test_a_duty_that_is_not_kept_is_a_kit_fault_and_blames_no_backend(name: str, tmp_path: Path) -> None:
    case, damage, words = DUTIES[name]
    start = f"{damage}\nimport sys\nfrom tgi_conformance.cli import main\nsys.exit(main())\n"
    done = subprocess.run(
        [sys.executable, "-c", start, "run", "-n", "0", "--case", case, "--results", str(tmp_path / "r")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 11, done.stdout
    assert f"kit fault  {case}" in done.stdout
    assert words in done.stdout
