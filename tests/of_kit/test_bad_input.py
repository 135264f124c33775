"""Bad input end to end: a verdict that names the line and the rule, and the other cases go on.

The adapters are those of docs/examples/bad_input, which docs/suites.md shows at work.
"""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "bad_input"
ADAPTERS = EXAMPLES / "adapters.py"
CHAT, BESIDE = "RESP-02/chat-astral", "RESP-02/native-astral"
#: ``--hasty`` gives up a backend that does not say hello after five seconds, time enough for an interpreter
#: to start on a busy machine; otherwise that takes thirty.
START = """
import sys
from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.cli import main
if "--hasty" in sys.argv:
    sys.argv.remove("--hasty")
    Driver.start.__func__.__kwdefaults__["deadline"] = 5.0
sys.exit(main())
"""
#: Adapter -> what the verdict on its chat says.
CHATS = {
    "OtherKeys": "violation: chat(): the value it returned is no answer: /txt: unknown key; known: [",
    "WrongType": "violation: chat(): the value it returned is no answer: /text: a number where str is needed",
    "Nothing": "None, which is no text",
    "NotANumber": "/usage/prompt_tokens: a number where int is needed",
    "LoneSurrogate": "the text 'half a face: \\ud83d'",
    "HundredMegabytes": "violation: chat(): cannot send this result: the value is over the limit of 64 MiB",
    "DiesInMidCall": "crash: the backend's process ended with status 137; its last output:",
    "Hangs": "hang: chat(): no answer within ",
    "RaisesInClassify": "(classify() raised AttributeError(",
}
#: Word of host.py -> the rule that the verdict names, beside the line.
LINES = {
    "unknown-event": "event 'shrug' is not one of [",
    "wrong-type": "result: /at: a string where float is needed",
    "unknown-key": "result: /mood: unknown key",
    "nan": "NaN is not JSON",
    "no-json": "not JSON: Expecting",
    "long-line": "the limit is 1048576",
}


def run(*words: str) -> tuple[int, str, list[dict[str, object]]]:
    """Run the command line: exit code, output, verdicts."""
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", START, "run", "-n", "0", "--results", folder, *words],
            cwd=EXAMPLES.parents[2],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        file = Path(folder) / "narrowed" / "verdicts.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        values = [json.loads(line) for line in lines]
        return done.returncode, done.stdout + done.stderr, [value for value in values if "ruling" in value]


@cache
def together() -> tuple[int, str, list[dict[str, object]]]:
    """One run of all adapters, one after the other."""
    names = [*CHATS, "FloodsStdout", "LacksAMethod", "Misspelt"]
    backends = [word for name in names for word in ("--backend", f"{ADAPTERS}:{name}")]
    cases = [word for case in (CHAT, BESIDE, "DECL-01/capabilities") for word in ("--case", case)]
    return run("--deadline", "5", *backends, *cases)


def verdict(name: str, case: str) -> dict[str, object]:
    (found,) = [v for v in together()[2] if v["backend"] == name and v["case"] == case]
    return found


@pytest.mark.parametrize("name", sorted(CHATS))
def test_a_call_that_goes_wrong_has_a_verdict_that_says_how_and_the_next_case_is_judged(name: str) -> None:
    failed = verdict(name, CHAT)
    assert failed["ruling"] == "failed"
    assert CHATS[name] in str(failed["observed"])
    assert verdict(name, BESIDE)["ruling"] == "passed"


def test_a_flood_on_standard_output_and_a_forged_line_in_it_change_nothing() -> None:
    assert [verdict("FloodsStdout", case)["ruling"] for case in (CHAT, BESIDE)] == ["passed", "passed"]


def test_a_declared_method_that_is_not_there_is_named() -> None:
    failed = verdict("LacksAMethod", "DECL-01/capabilities")
    assert (failed["ruling"], failed["observed"]) == ("failed", "stats needs get_stats")
    assert verdict("LacksAMethod", BESIDE)["ruling"] == "passed"


def test_a_backend_that_does_not_start_has_no_case_and_the_others_are_run() -> None:
    code, out, verdicts = together()
    assert code == 12, out
    assert "describe(): capabilities: unknown ['straem']; did you mean 'stream'?" in out
    backends = {str(v["backend"]) for v in verdicts}
    assert backends == {*CHATS, "FloodsStdout", "LacksAMethod"}


def test_a_backend_that_never_says_hello_is_given_up_before_any_case() -> None:
    code, out, verdicts = run("--hasty", "--backend", f"{ADAPTERS}:NeverSaysHello", "--case", BESIDE)
    assert code == 12, out
    assert "no reply within 5 s" in out
    assert "no case was run" in out
    assert verdicts == []


@pytest.mark.parametrize("fault", sorted(LINES))
def test_a_line_against_the_protocol_is_shown_with_its_rule(fault: str) -> None:
    command = f"{sys.executable} {EXAMPLES / 'host.py'} {fault}"
    cases = ("--case", BESIDE, "--case", "DECL-01/capabilities")
    code, out, verdicts = run("--backend-command", command, *cases)
    assert code == 1, out
    rulings = {str(v["case"]): v for v in verdicts}
    shown = str(rulings["DECL-01/healthy-native"]["observed"])
    assert rulings[BESIDE]["blocked_by"] == "DECL-01/healthy-native"
    assert 'violation: the host sent \'{"tgic":1,"event":' in shown
    assert LINES[fault] in shown
    assert rulings["DECL-01/capabilities"]["ruling"] == "passed"


def test_a_hello_with_a_blank_too_many_is_told_what_is_wrong_however_long_the_command_is() -> None:
    command = f"{sys.executable} {EXAMPLES / 'host.py'} blank {'and-more-' * 50}"
    code, out, _ = run("--hasty", "--backend-command", command, "--case", BESIDE)
    assert code == 12
    assert 'a line of the protocol begins {"tgic":1, with no blank' in out
