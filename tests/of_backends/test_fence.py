"""The fence: what leaves this machine is refused at once and booked, what stays is let through."""

import errno
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.network import network_for, own_names
from tgi_conformance.backends.driver.spec import BackendSpec, parse_backend
from tgi_conformance.backends.host.fence import Here
from tgi_conformance.contracts.loopback import NAMES, SUFFIXES, stays_here

ADAPTERS = Path(__file__).parents[1] / "adapters"
NODE = Path(__file__).parents[2] / "backends" / "host" / "node"
NAME, ADDRESS = "telemetry.example.com", "203.0.113.7"
PYTHON_SPEC = parse_backend(f"{ADAPTERS / 'reaching.py'}:Reaching")
NO_NAME = f"gaierror {socket.EAI_NONAME}"
NO_WAY = f"OSError {errno.ENETUNREACH}"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not on the PATH")

#: Way out -> what the client sees, what is booked, and where to.
PYTHON = {
    "look_up": (NO_NAME, "lookup", NAME),
    "look_up_old": (NO_NAME, "lookup", NAME),
    "look_up_name": (NO_NAME, "lookup", f"name of {ADDRESS}"),
    "look_up_name_of_address": (NO_NAME, "lookup", f"name of {ADDRESS}"),
    "look_up_in_loop": (NO_NAME, "lookup", NAME),
    "connect": (NO_WAY, "connect", f"{ADDRESS}:443"),
    "connect_ex": (str(errno.ENETUNREACH), "connect", f"{ADDRESS}:443"),
    "connect_by_name": (NO_NAME, "lookup", NAME),
    "connect_in_loop": (NO_WAY, "connect", f"{ADDRESS}:443"),
    "connect_6": (NO_WAY, "connect", "2001:db8::1:443"),
    "request": (NO_NAME, "lookup", NAME),
    "datagram": (NO_WAY, "connect", f"{ADDRESS}:8125"),
    "datagram_by_name": (NO_NAME, "lookup", NAME),
}
JAVASCRIPT = {
    "look_up": ("ENOTFOUND", "lookup", NAME),
    "look_up_by_promise": ("ENOTFOUND", "lookup", NAME),
    "look_up_promisified": ("ENOTFOUND", "lookup", NAME),
    "resolve": ("ENOTFOUND", "lookup", NAME),
    "resolver": ("ENOTFOUND", "lookup", NAME),
    "look_up_name": ("ENOTFOUND", "lookup", f"name of {ADDRESS}"),
    "connect": ("ENETUNREACH", "connect", f"{ADDRESS}:443"),
    "connect_by_name": ("ENOTFOUND", "lookup", NAME),
    "tls": ("ENOTFOUND", "lookup", NAME),
    "request": ("ENOTFOUND", "lookup", NAME),
    "fetch": ("ENOTFOUND", "lookup", NAME),
    "datagram": ("ENETUNREACH", "connect", f"{ADDRESS}:8125"),
    "datagram_by_name": ("ENOTFOUND", "lookup", NAME),
}


def node_spec() -> BackendSpec:
    return parse_backend(command=f"node {ADAPTERS / 'reaching.mjs'}")


@pytest.fixture(scope="module")
def python() -> Iterator[Driver]:
    with Driver.start(PYTHON_SPEC) as driver:
        yield driver


@pytest.fixture(scope="module")
def node() -> Iterator[Driver]:
    with Driver.start(node_spec()) as driver:
        yield driver


def try_way(driver: Driver, way: str) -> str:
    outcome = driver.run("generate", {"prompt": way})
    said, seconds = json.loads(outcome.text or "[null, 0]")
    assert said is not None, outcome
    assert seconds < 0.5
    return str(said)


def check_refused(driver: Driver, way: str, expected: tuple[str, str, str]) -> None:
    seen, what, where = expected
    driver.census()
    assert try_way(driver, way) == seen
    census = driver.census()
    (attempt,) = census.outside
    assert (attempt.what, attempt.where, attempt.times, attempt.refused) == (what, where, 1, True)
    assert where in (census.lookups if what == "lookup" else census.connects or ())


@pytest.mark.parametrize("way", PYTHON)
def test_a_python_backend_is_refused_what_leaves_this_machine(python: Driver, way: str) -> None:
    check_refused(python, way, PYTHON[way])


@needs_node
@pytest.mark.parametrize("way", JAVASCRIPT)
def test_a_node_backend_is_refused_what_leaves_this_machine(node: Driver, way: str) -> None:
    check_refused(node, way, JAVASCRIPT[way])


@pytest.mark.parametrize("host", ["python", pytest.param("node", marks=needs_node)])
def test_what_stays_on_this_machine_is_let_through(host: str, request: pytest.FixtureRequest) -> None:
    driver: Driver = request.getfixturevalue(host)
    driver.census()
    assert "stayed" in try_way(driver, "stay")
    assert driver.census().outside == ()


def test_the_hello_says_which_fence_stands(python: Driver) -> None:
    assert python.fence == "audit-hook"
    with Driver.start(parse_backend(command=f"{sys.executable} {ADAPTERS / 'bare_host.py'} right")) as bare:
        assert bare.fence == "none"


@needs_node
def test_the_node_hosts_hello_says_so_too(node: Driver) -> None:
    assert node.fence == "hooks"
    with Driver.start(replace(node_spec(), allow_network=True)) as opened:
        assert opened.fence == "none"


@pytest.mark.parametrize("host", ["python", pytest.param("node", marks=needs_node)])
def test_an_opened_network_lets_through_and_counts_times_and_seconds(host: str) -> None:
    spec = PYTHON_SPEC if host == "python" else node_spec()
    with Driver.start(replace(spec, allow_network=True)) as driver:
        assert driver.fence == "none"
        driver.run("generate", {"prompt": "look_up"}, deadline=60)
        (attempt,) = driver.census().outside
    assert (attempt.what, attempt.where, attempt.times) == ("lookup", NAME, 1)
    assert attempt.seconds > 0
    assert not attempt.refused


def test_the_fence_still_stands_when_the_interpreter_ends() -> None:
    with Driver.start(PYTHON_SPEC) as driver:
        driver.run("generate", {"prompt": "look_up_at_exit"})
    assert driver.output() == "at exit: gaierror\n"


def test_a_backend_in_our_own_process_takes_its_fence_along() -> None:
    plain = socket.socket.connect
    with Driver.start(PYTHON_SPEC, inproc=True) as driver:
        assert try_way(driver, "look_up") == NO_NAME
    assert socket.socket.connect is plain


def test_the_further_names_of_this_machine_are_its_own(tmp_path: Path) -> None:
    name = socket.gethostname()
    hosts = tmp_path / "hosts"
    hosts.write_text(
        f"127.0.0.1 localhost here.example # not.example\n127.0.1.1 {name}.example.org {name}\n"
        "127.0.0.1 blocked.example\n203.0.113.7 other.example\n",
        encoding="utf-8",
    )
    assert own_names(hosts) == (name, "localhost", "here.example", f"{name}.example.org")
    assert own_names(tmp_path / "none") == (name,)


#: Hosts whose place all three rules must tell alike.
HOSTS = [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",  # noqa: S104 - nothing is bound
    "::1",
    "[::1]",
    "::",
    "::1%lo",
    "::ffff:127.0.0.1",
    "::ffff:0.0.0.0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "ip6-localhost",
    "",
    *own_names(),
    "203.0.113.7",
    "10.0.0.1",
    "128.0.0.1",
    "2001:db8::1",
    "::2",
    "::ffff:203.0.113.7",
    "fe80::1%eth0",
    "huggingface.co",
    "localhost.example",
    "127.0.0.1.example",
    "1.2.3",
]


@pytest.mark.parametrize("host", HOSTS)
def test_host_and_kit_agree_on_what_is_this_machine(host: str) -> None:
    assert Here([*NAMES, *own_names()], SUFFIXES).has(host) == stays_here(host, own_names())


@needs_node
def test_the_node_host_agrees_too() -> None:
    told = json.dumps([network_for(open_to_all=False), HOSTS])
    code = (
        f"import {{ isHere, stand }} from {json.dumps(str(NODE / 'fence.mjs'))};"
        f"const [network, hosts] = {told}; stand(network); console.log(JSON.stringify(hosts.map(isHere)));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert json.loads(done.stdout) == [stays_here(host, own_names()) for host in HOSTS]
