"""The suite's own duties (REAL-01, REAL-05): what leaves, what is no success, what is redacted."""

import subprocess
import sys
from pathlib import Path

import pytest

from tgi_conformance.contracts.loopback import leaves_here, stays_here
from tgi_conformance.suites.harness.oracles import left_this_machine


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


def test_each_connect_and_look_up_elsewhere_is_a_breach_of_real_01() -> None:
    findings = left_this_machine(["127.0.0.1:80", "203.0.113.7:8125"], ["localhost", "telemetry.example"])
    assert [(f.clause, f.breach) for f in findings] == [("REAL-01", True)] * 2
    assert "203.0.113.7:8125" in findings[0].message
    assert "telemetry.example" in findings[1].message
    (fine,) = left_this_machine(["127.0.0.1:80"], ["localhost"])
    assert not fine.breach


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
