"""``run --server``: the whole suite as another server generation, and what that server does not have."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from mini_backend import MINI, run_cli

from tgi_conformance.cli.case_listing import list_cases
from tgi_conformance.contracts.script import Persona, Reply, status
from tgi_conformance.suites.personas.not_here import NOT_HERE, why_not_here
from tgi_conformance.suites.shapes.calls import CHAT, words
from tgi_conformance.suites.shapes.personas import dressed
from tgi_conformance.suites.shapes.spoken import ForeignWordsError, spoken_replies

#: The Mini of the other tests under the hosted router, which has the native form under the model's own path.
BY_MODEL = MINI.replace('base_url + "/generate"', 'base_url + "/models/google/t5-efficient-tiny"').replace(
    'json.load(response)["generated_text"]', 'json.load(response)[0]["generated_text"]'
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mini.py").write_text(MINI)
    (tmp_path / "by_model.py").write_text(BY_MODEL)
    return tmp_path


def test_an_error_is_told_in_the_servers_form_and_an_own_one_stays() -> None:
    theirs = {"error": {"message": "no", "type": "server_error", "param": None, "code": None}}
    replies = [status(500, json={"error": "no", "error_type": "generation"}), status(500, json=theirs)]
    assert [
        reply.response and reply.response.body.json for reply in spoken_replies("openai-proxy", replies)
    ] == [theirs, theirs]


def test_a_dressed_answer_stays_and_a_bare_one_is_dressed() -> None:
    own = dressed(CHAT, "openai-proxy").plain("fine")
    assert spoken_replies("openai-proxy", [own, CHAT.plain("fine")]) == [own, own]
    assert spoken_replies("tgi-3.3", [own]) == [own]
    stream_of_its_own = dressed(CHAT, "openai-proxy").stream(words("one two"), finish="stop")
    assert spoken_replies("openai-proxy", [stream_of_its_own]) == [stream_of_its_own]


@pytest.mark.parametrize(
    ("server", "reply", "said"),
    [
        ("tgi-1.4", CHAT.stream(words("one two")), "the mark"),
        ("openai-proxy", CHAT.frames(*CHAT.events(words("one two"))), "an event of TGI 3.3"),
    ],
)
def test_what_a_server_never_says_is_refused(server: Persona, reply: Reply, said: str) -> None:
    with pytest.raises(ForeignWordsError, match=said):
        spoken_replies(server, [reply])


def test_each_row_of_the_table_names_cases_that_are_there() -> None:
    cases = {row.case for row in list_cases()}
    for rows in NOT_HERE.values():
        for pattern in rows:
            assert any(fnmatchcase(case, pattern) for case in cases), pattern


def test_a_case_of_the_server_itself_is_played_whatever_the_table_says() -> None:
    assert why_not_here("openai-proxy", "STREAM-12/chat-fin")
    assert not why_not_here("openai-proxy", "STREAM-12/persona-openai-proxy")
    assert not why_not_here("tgi-3.3", "STREAM-12/chat-fin")


def test_a_route_that_the_server_has_not_is_not_here_and_reddens_nobody(project: Path) -> None:
    words = ["run", "-n", "0", "--case", "RESP-02/*", "--case", "GEN-02/*", "--server", "openai-proxy"]
    done = run_cli(project, *words, "--backend", "mini:Mini")
    assert done.code == 0, done.out
    native = {v["case"]: v for v in done.verdicts(narrowed=True) if v["case"].startswith("RESP-02/native")}
    assert {str(verdict["ruling"]) for verdict in native.values()} == {"not here"}
    assert {str(v["reason"]) for v in native.values()} == {
        "the server played, openai-proxy, has no /generate"
    }
    assert "played as server: openai-proxy" in done.out


def test_a_client_that_goes_to_the_models_own_path_is_judged_as_the_router(project: Path) -> None:
    words = ["run", "-n", "0", "--case", "RESP-02/*", "--case", "REQ-05", "--server", "hosted-router"]
    done = run_cli(project, *words, "--backend", "by_model:Mini")
    ruled = {case: ruling for case, ruling in done.rulings().items() if case.startswith("RESP-02/native")}
    assert set(ruled.values()) == {"passed"}, done.out
    elsewhere = run_cli(project, *words, "--backend", "mini:Mini")
    assert "passed" not in {
        ruling for case, ruling in elsewhere.rulings().items() if case.startswith("RESP-02/native")
    }


def test_run_json_and_the_printed_command_name_the_server(project: Path) -> None:
    (project / "wrong.py").write_text(MINI.replace('["generated_text"]', '["generated_text"].strip()'))
    words = ["run", "-n", "0", "--case", "RESP-02/*", "--server", "tgi-2", "--backend", "wrong:Mini"]
    done = run_cli(project, *words)
    assert done.code == 1, done.out
    assert "--server tgi-2" in done.out
    folder = project / "collected_results" / "narrowed"
    assert '"server": "tgi-2"' in (folder / "run.json").read_text(encoding="utf-8")
    assert "tgi-2" in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--server", "tgi-9"], "one of tgi-3.3, tgi-2, tgi-1.4, openai-proxy, hosted-router"),
        (["--server", "tgi-2", "--tgi-endpoint", "http://127.0.0.1:9"], "leave one of them out"),
    ],
)
def test_a_server_that_cannot_be_played_is_told(project: Path, words: list[str], said: str) -> None:
    done = run_cli(project, "run", "-n", "0", *words, HF_API_KEY="hf_" + "k" * 34)
    assert done.code == 4
    assert said in done.out
