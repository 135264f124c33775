"""An adapter with a bug of its own beside a client without one: the kit says whose it is, and where."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from mini_backend import run_cli

from tgi_conformance.contracts.outcome import ExceptionLink, Frame, Outcome
from tgi_conformance.contracts.verdict import Ruling
from tgi_conformance.plugin.judging import Ruled, with_place

CLIENT = """
import json
import urllib.request


def post(base_url, path, key, body):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(base_url.rstrip("/") + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


def chat(base_url, key, messages):
    return post(base_url, "/v1/chat/completions", key, {"messages": messages})
"""
ADAPTER = """
import own_client


class Adapter:
    def describe(self):
        return {"name": "own", "capabilities": ["chat"]}

    def create_endpoint(self, *, base_url, api_key, **settings):
        self.where = base_url, api_key
        return "only"

    def chat(self, messages, *, endpoint_id=None):
        said = own_client.chat(*self.where, messages)
        return said["choices"][0]["message"]["content"]
"""
BUGGY = ADAPTER.replace('said["choices"]', 'said["choises"]')
SAID = "KeyError: \"'choises'\" at own_adapter.py:15 in chat (the adapter's)"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "own_client.py").write_text(CLIENT)
    (tmp_path / "own_adapter.py").write_text(BUGGY)
    return tmp_path


def test_doctor_says_that_it_began_in_the_adapter(project: Path) -> None:
    done = run_cli(project, "doctor", "--backend", "own_adapter:Adapter")
    assert done.code == 1, done.out
    assert SAID in done.out
    assert "this began in the adapter, not in the backend" in done.out


def test_a_failed_case_says_so_in_every_report(project: Path) -> None:
    words = ["--backend", "own_adapter:Adapter", "-n", "0", "--case", "INIT-05/*"]
    done = run_cli(project, "run", *words)
    assert done.code == 1, done.out
    assert "an exception began in the adapter itself: own_adapter.py:15 in chat" in done.out
    folder = project / "collected_results" / "narrowed"
    failures = ET.fromstring((folder / "junit.xml").read_text()).iter("failure")  # noqa: S314 -- our own text
    assert all(SAID in str(failure.text) for failure in failures)


def test_a_bug_of_the_client_is_not_said_to_be_the_adapters(project: Path) -> None:
    (project / "own_adapter.py").write_text(ADAPTER)
    (project / "own_client.py").write_text(CLIENT.replace("return post(", "return {}['x'], post("))
    done = run_cli(project, "doctor", "--backend", "own_adapter:Adapter")
    assert "KeyError: \"'x'\" at own_client.py:14 in chat" in done.out
    assert "the adapter's" not in done.out


def test_an_adapter_that_is_the_client_too_is_not_told_apart_from_it(project: Path) -> None:
    one_file = CLIENT + BUGGY.replace("import own_client", "").replace("own_client.chat", "chat")
    (project / "own_adapter.py").write_text(one_file)
    done = run_cli(project, "doctor", "--backend", "own_adapter:Adapter")
    assert "at own_adapter.py:" in done.out
    assert "the adapter's" not in done.out


PLACE = "KeyError at a.py:3 in chat (the adapter's)"
MISTAKE = ExceptionLink(
    type="KeyError", frames=(Frame(file="a.py", line=3, function="chat", owner="adapter"),), fault="adapter"
)


def failed(ruling: Ruling, *, link: ExceptionLink = MISTAKE, observed: str = "2 pieces") -> Ruled:
    ruled = Ruled(ruling=ruling, reason=f"observed {observed}", observed=observed)
    return with_place(ruled, [Outcome(ending="answer"), Outcome(ending="error", exception=(link,))])


def test_a_failure_that_does_not_speak_of_the_call_names_the_place_too() -> None:
    ruled = failed(Ruling.FAILED)
    assert (ruled.reason, ruled.observed) == (f"observed 2 pieces; {PLACE}", f"2 pieces; {PLACE}")


def test_the_place_is_not_said_twice_nor_of_what_is_no_failure_nor_of_the_backend() -> None:
    assert failed(Ruling.FAILED, observed=PLACE).observed == PLACE
    assert failed(Ruling.PASSED).observed == "2 pieces"
    assert failed(Ruling.FAILED, link=ExceptionLink(type="X")).observed == "2 pieces"
