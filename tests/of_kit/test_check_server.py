"""check-server: nothing is found on our own fake, and each departure of ``tests/server_mutants/`` is."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tgi_conformance.check.asked import Answered, Asked
from tgi_conformance.check.expecting import Empty, Generated, Page, Refused, expected
from tgi_conformance.check.generating import every_request
from tgi_conformance.check.report import as_json, as_junit, lines
from tgi_conformance.check.running import Checked, check, server_of
from tgi_conformance.check.sending import Target, sending_to
from tgi_conformance.cli import main
from tgi_conformance.contracts.script import Generation, Reply, Script, Server
from tgi_conformance.contracts.script.loading import load_script
from tgi_conformance.fake_server.client import FakeServer
from tgi_conformance.fake_server.egress.budget import Budget

MUTANTS = sorted((Path(__file__).parents[1] / "server_mutants").glob("*.json"))


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def checked(url: str, path: str = "") -> Checked:
    """A check of all requests, or those to one path, with a budget that is enough."""
    requests = [asked for asked in every_request() if not path or asked.path == path]
    return check(sending_to(Target(url=url)), url, Budget(10_000, 1_000_000), requests)


def departing(file: Path) -> Script:
    """The departure, of a server that is right in all else."""
    script = load_script(json.loads(file.read_text(encoding="utf-8"))["script"])
    return replace(script, otherwise=Reply(tgi=Generation(toy=True)))


def test_nothing_is_found_on_our_own_fake(fake: FakeServer) -> None:
    found = checked(fake.base_url)
    assert list(lines(found))[:-1] == []
    assert found.asked > 400
    assert found.undecided == ()


@pytest.mark.parametrize("file", MUTANTS, ids=lambda file: file.stem)
def test_a_departure_is_found_with_its_route_and_rule(fake: FakeServer, file: Path) -> None:
    mutant = json.loads(file.read_text(encoding="utf-8"))
    route, rule = mutant["breaks"]["route"], mutant["breaks"]["rule"]
    with fake.space(departing(file)) as space:
        found = checked(space.base_url, route.partition(" ")[2])
    rules = {(finding.route, finding.rule) for finding in found.findings}
    assert (route, rule) in rules
    told = "\n".join(lines(found))
    assert f"{route}  {rule}: " in told
    assert f"curl -sS -i -X {route.partition(' ')[0]} {space.base_url}" in told


def test_there_are_enough_departures() -> None:
    assert len(MUTANTS) >= 20


def test_what_is_found_is_there_as_json_and_as_junit(fake: FakeServer) -> None:
    mutant = json.loads(MUTANTS[0].read_text(encoding="utf-8"))
    with fake.space(departing(MUTANTS[0])) as space:
        found = checked(space.base_url, mutant["breaks"]["route"].partition(" ")[2])
    value = json.loads(as_json(found))
    assert len(value["findings"]) == len(found.findings) > 0
    assert all(load_script(each["script"]) for each in value["findings"])
    suites = ET.fromstring(as_junit(found))  # noqa: S314 - our own
    assert len(suites.findall(".//failure")) == len(found.findings)
    assert {suite.get("name") for suite in suites} == set(found.routes)


def test_a_budget_that_ends_leaves_the_rest_undecided(fake: FakeServer) -> None:
    found = check(sending_to(Target(url=fake.base_url)), fake.base_url, Budget(5, 1_000))
    assert found.asked == 5
    assert all("--max-requests" in why for _, why in found.undecided)
    assert "undecided" in "\n".join(lines(found))


def test_where_no_requests_are_given_none_are_asked() -> None:
    found = check(lambda _: Answered(0, problem="no answer: refused"), "http://x", Budget(), [])
    assert (found.asked, found.findings) == (0, ())


def test_a_server_that_is_busy_decides_nothing() -> None:
    asked = Asked(name="x", path="/generate", body=b'{"inputs":"x"}')
    found = check(lambda _: Answered(503, body=b"later"), "http://x", Budget(), [asked])
    assert (found.findings, found.undecided) == ((), ((asked, "503: later"),))


def test_a_server_that_does_not_answer_is_a_finding() -> None:
    asked = Asked(name="x", path="/generate", body=b'{"inputs":"x"}')
    found = check(lambda _: Answered(0, problem="no answer: refused"), "http://x", Budget(), [asked])
    assert [(finding.rule, finding.observed) for finding in found.findings] == [
        ("answer", "no answer: refused")
    ]


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (Asked(name="", path="/nowhere", body=b""), Empty(404)),
        (Asked(name="", path="/info", body=b""), Empty(405, "GET,HEAD")),
        (Asked(name="", method="HEAD", path="/health"), Page("health", head_only=True)),
    ],
)
def test_what_is_expected_of_pages(asked: Asked, kind: object) -> None:
    assert expected(asked, Server()) == kind


def test_what_is_expected_of_bodies_follows_the_rules_of_the_contracts() -> None:
    def of(body: bytes, path: str = "/generate") -> object:
        return expected(Asked(name="", path=path, body=body), Server())

    assert isinstance(of(b'{"inputs":"x"}'), Generated)
    refused = of(b'{"inputs":"x","parameters":{"top_k":0}}', "/generate_stream")
    assert isinstance(refused, Refused)
    assert (refused.error.error_type, refused.streamed, refused.openai) == ("validation", True, False)
    broken = of(b"{")
    assert isinstance(broken, Refused)
    assert (broken.error.status, broken.streamed) == (400, False)


def test_settings_are_those_that_the_server_tells() -> None:
    assert server_of({"max_best_of": 7, "model_id": "m", "other": 1}) == Server(max_best_of=7, model_id="m")
    assert server_of(None) == Server()


def test_the_command_says_what_it_found_and_writes_it(
    fake: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--json", str(tmp_path / "found.json"), "--junit", str(tmp_path / "found.xml")]
    with fake.space(departing(MUTANTS[0])) as space:
        assert main(["check-server", space.base_url, *files]) == 1
    assert " requests to " in capsys.readouterr().out
    assert json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["findings"]
    assert (tmp_path / "found.xml").read_text(encoding="utf-8").startswith("<testsuites")
    assert main(["check-server", fake.base_url]) == 0


def test_a_server_that_is_not_there_and_a_url_that_is_none_are_told_apart(
    fake: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake.space(Script(origins=("a", "refused:b"))) as space:
        assert main(["check-server", space.url("refused:b")]) == 14
    assert "no answer" in capsys.readouterr().err
    assert main(["check-server", "https://user:secret-word@x"]) == 4
    told = capsys.readouterr().err
    assert "user or password is refused" in told
    assert "secret-word" not in told


@pytest.mark.parametrize("header", ["no-value", "bad name: x", "x-token: a\nb: c"])
def test_a_header_that_is_none_is_refused_and_not_shown(
    header: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-server", "http://127.0.0.1:1", "--header", header]) == 4
    assert "NAME: VALUE is needed" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_takes_nothing_of_what_was_found(
    fake: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "no-folder" / "found.json")
    assert main(["check-server", fake.base_url, "--as", "openai", "--json", nowhere]) == 1
    told = capsys.readouterr()
    assert " requests to " in told.out
    assert f"{nowhere} is not written" in told.err
