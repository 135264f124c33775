"""What a backend that misbehaves costs: one call, with an outcome that says what happened."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tgi_conformance.backends.driver import process
from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.spec import parse_backend
from tgi_conformance.contracts.error_kinds import ErrorKind

FAULTY = Path(__file__).parents[1] / "adapters" / "faulty.py"
Starter = Callable[[str], Driver]


@pytest.fixture(scope="module")
def start() -> Iterator[Starter]:
    """Start an adapter of faulty.py, once a module."""
    drivers: dict[str, Driver] = {}

    def started(name: str) -> Driver:
        if name not in drivers:
            drivers[name] = Driver.start(parse_backend(f"{FAULTY}:{name}"))
        return drivers[name]

    yield started
    for driver in drivers.values():
        driver.close(grace=0.1)


@pytest.mark.parametrize(
    ("prompt", "words"), [("exit", "ended with status 3"), ("segfault", "was killed by SIGSEGV")]
)
def test_dead_process_costs_its_calls_and_the_next_one_runs(start: Starter, prompt: str, words: str) -> None:
    driver = start("Dies")
    before = driver.generation
    outcome = driver.run("generate", {"prompt": prompt})
    assert outcome.ending == "crash"
    assert words in outcome.detail
    assert "last words" in outcome.detail
    assert outcome.entered_at is not None
    assert driver.run("chat", {"messages": []}).text == "alive"
    assert driver.generation == before + 1


def test_hang_is_killed_and_takes_the_calls_beside_it_along(start: Starter) -> None:
    driver = start("Sleeps")
    beside = driver.call("generate", {"prompt": ""})
    assert beside.wait_entered(5)
    outcome = driver.run("generate", {"prompt": ""}, deadline=0.05)
    assert (outcome.ending, outcome.detail) == ("hang", "generate(): no answer within 0.05 s")
    crashed = beside.wait(5)
    assert crashed.ending == "crash"
    assert "hung" in crashed.detail
    assert driver.run("chat", {"messages": []}).text == "awake"


def test_stream_that_falls_silent_is_a_hang_with_the_pieces_before(start: Starter) -> None:
    driver = start("Sleeps")
    call = driver.call("generate", {"prompt": ""}, stream=True)
    assert len(call.read(1, 5)) == 1
    assert call.read(1, 0.05) == ()
    outcome = call.wait(5)
    assert (outcome.ending, outcome.text) == ("hang", "one")


def test_waiting_for_pieces_is_no_verdict(start: Starter) -> None:
    driver = start("Sleeps")
    call = driver.call("generate", {"prompt": ""}, stream=True)
    call.pull(2)
    assert call.wait_pieces(1, 5)
    assert not call.wait_pieces(2, 0.05)
    assert not call.wait_done(0.05)
    assert not call.done
    assert call.abandon().ending == "abandoned"


def test_process_that_ignores_term_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.05)
    with Driver.start(parse_backend(f"{FAULTY}:Stubborn")) as driver:
        beside = driver.call("generate", {"prompt": ""})
        beside.wait_entered(5)
        assert driver.run("generate", {"prompt": ""}, deadline=0.05).ending == "hang"
        assert "SIGKILL" in beside.wait(5).detail


def test_prints_of_any_bytes_neither_break_nor_forge_the_protocol(start: Starter) -> None:
    driver = start("Prints")
    mark = driver.mark_output()
    assert driver.run("generate", {"prompt": ""}).text == "printed"
    output = driver.output_since(mark)
    for words in (
        "forged",
        r"\xff\xfe to stderr",
        "no line end",
        "echo from a child".partition(" ")[2],
        r"\x00"[:1],
    ):
        assert words in output
    assert driver.violations == ()


def test_flood_does_not_block_and_its_end_is_kept(start: Starter) -> None:
    driver = start("Prints")
    mark = driver.mark_output()
    assert driver.run("chat", {"messages": []}).text == "flooded"
    output = driver.output_since(mark)
    assert re.match(r"\[\d+ bytes of output dropped\]\n", output)
    assert output.endswith("the end\n")
    assert len(output) < (1 << 20) + 100


@pytest.mark.parametrize(
    ("prompt", "raw"),
    [
        ("big", [1 << 64, -(1 << 53), 1 << 53]),
        ("bytes", b"\x00\xff"),
        ("tag", {"$float": "nan"}),
        ("set", ["a", "b"]),
    ],
)
def test_values_that_json_lacks_arrive(start: Starter, prompt: str, raw: object) -> None:
    answer = start("Values").run("generate", {"prompt": prompt}).answer
    assert answer is not None
    assert answer.raw == raw


def test_numbers_that_json_lacks_arrive_both_ways(start: Starter) -> None:
    answer = start("Values").run("generate", {"prompt": "nan"}).answer
    assert answer is not None
    assert repr(answer.raw) == "[nan, inf, -inf]"
    value = {"raw": [float("nan"), 1 << 70, b"\x01", "\ud83d", {"$int": "7"}]}
    echoed = start("Values").run("generate", {"prompt": "return", "value": value}).answer
    assert echoed is not None
    assert repr(echoed.raw) == repr(value["raw"])


def test_lone_surrogate_survives(start: Starter) -> None:
    assert start("Values").run("generate", {"prompt": "surrogate"}).text == "a\ud83db"


def test_text_of_three_mib_comes_in_parts(start: Starter) -> None:
    assert start("Values").run("generate", {"prompt": "3 MiB"}).text == '"\\\n' * (1 << 20)


def test_arguments_of_three_mib_go_in_parts(start: Starter) -> None:
    text = '"\\\u20ac' * (1 << 19)
    assert start("Values").run("generate", {"prompt": "return", "value": text}).text == text


@pytest.mark.parametrize(
    ("prompt", "words"),
    [("100 MB", "over the limit of 64 MiB"), ("loop", "holds itself"), ("hostile", "no items")],
)
@pytest.mark.parametrize("stream", [False, True], ids=["result", "piece"])
def test_value_that_cannot_be_sent_is_said_so(
    start: Starter, prompt: str, words: str, *, stream: bool
) -> None:
    driver = start("Values")
    outcome = driver.run("generate", {"prompt": prompt}, stream=stream)
    assert outcome.ending == "violation"
    assert words in outcome.detail
    assert driver.generation == 0
    assert driver.census().open_calls == 0


@pytest.mark.parametrize(("prompt", "value"), [("none", None), ("number", 7)])
def test_answer_that_is_no_text_is_left_to_the_suites(start: Starter, prompt: str, value: object) -> None:
    outcome = start("Values").run("generate", {"prompt": prompt})
    assert outcome.ending == "answer"
    assert outcome.answer is not None
    assert not isinstance(outcome.answer.text, str)
    assert outcome.value == value


@pytest.mark.parametrize(
    ("prompt", "pointer"), [("unknown key", "/finish_reasn: unknown key"), ("wrong type", "/text: a number")]
)
@pytest.mark.parametrize("stream", [False, True], ids=["result", "piece"])
def test_mapping_of_another_shape_is_a_violation_that_says_where(
    start: Starter, prompt: str, pointer: str, *, stream: bool
) -> None:
    outcome = start("Values").run("generate", {"prompt": prompt}, stream=stream)
    assert outcome.ending == "violation"
    assert pointer in outcome.detail


def test_piece_that_is_no_text_is_a_violation(start: Starter) -> None:
    outcome = start("Values").run("generate", {"prompt": "number"}, stream=True)
    assert outcome.ending == "violation"
    assert "piece 0" in outcome.detail


def test_object_whose_own_methods_fail_is_shown_as_such(start: Starter) -> None:
    answer = start("Values").run("generate", {"prompt": "object"}).answer
    assert answer is not None
    assert "repr() raised RuntimeError" in str(answer.raw)


def test_list_of_texts_is_an_answer_to_several_prompts(start: Starter) -> None:
    answer = start("Values").run("completions", {"prompt": ["a", "b"]}).answer
    assert answer is not None
    assert answer.texts == ("one", "two")


def test_changed_arguments_are_named(start: Starter) -> None:
    driver = start("Mutates")
    changed = driver.run("chat", {"messages": [{"role": "user"}], "tools": [{"a": 1}], "stop": ["x"]})
    assert changed.mutated == ("messages", "stop")
    stream = driver.run("generate", {"prompt": "p", "tools": {"a": {"b": []}}}, stream=True)
    assert stream.mutated == ("tools",)


def test_unmapped_exception_is_told_so(start: Starter) -> None:
    outcome = start("BadClassify").run("generate", {"prompt": "unmapped"})
    assert outcome.error is not None
    assert outcome.error.kind is ErrorKind.UNMAPPED


def test_bare_kind_is_enough(start: Starter) -> None:
    outcome = start("BadClassify").run("generate", {"prompt": "kind"})
    assert outcome.error is not None
    assert outcome.error.kind is ErrorKind.AUTH


@pytest.mark.parametrize(
    ("prompt", "words"), [("raise", "classify() raised KeyError"), ("wrong", "/kind: 'nonsense'")]
)
def test_failing_classify_leaves_the_exception_and_is_reported(
    start: Starter, prompt: str, words: str
) -> None:
    outcome = start("BadClassify").run("generate", {"prompt": prompt})
    assert (outcome.ending, outcome.error) == ("error", None)
    assert words in outcome.detail
    assert outcome.exception[0].type == "ValueError"


def test_chain_tells_types_args_and_relations_even_where_str_fails(start: Starter) -> None:
    chain = start("Chains").run("generate", {"prompt": "full"}).exception
    assert [(link.type, link.relation) for link in chain] == [
        ("faulty.HostileError", "raised"),
        ("KeyError", "cause"),
        ("OSError", "cause"),
    ]
    assert chain[0].args == ("'top'", "b'raw'")
    assert chain[0].message == "<str() raised RuntimeError>"


def test_suppressed_context_stays_out_of_the_chain(start: Starter) -> None:
    assert len(start("Chains").run("generate", {"prompt": "suppressed"}).exception) == 1


def test_texts_of_an_exception_are_bounded(start: Starter) -> None:
    link = start("Chains").run("chat", {"messages": []}).exception[0]
    assert len(link.message) < 20_000
    assert link.message.endswith("characters]")


def test_keyboard_interrupt_of_the_backend_is_an_error(start: Starter) -> None:
    assert start("Chains").run("completions", {"prompt": ""}).exception[0].type == "KeyboardInterrupt"


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("unknown event", "event 'shrug' is not one of"),
        ("wrong type", "/at: a string where float is needed"),
        ("unknown key", "/extra: unknown key"),
        ("not JSON", "not JSON"),
        ("NaN", "NaN is not JSON"),
        ("missing key", "'exception' is a required property"),
        ("long line", "the limit is 1048576"),
    ],
)
def test_line_against_the_protocol_is_a_violation_with_the_rule(
    start: Starter, prompt: str, words: str
) -> None:
    driver = start("Speaks")
    outcome = driver.run("generate", {"prompt": prompt})
    assert outcome.ending == "violation"
    assert words in outcome.detail
    assert driver.violations[-1] == outcome.detail


def test_message_for_a_call_that_is_not_open_harms_no_other(start: Starter) -> None:
    driver = start("Speaks")
    assert driver.run("generate", {"prompt": "other id"}).text == "said"
    assert "999999" in driver.violations[-1]


def test_hang_inside_this_process_ends_the_wait_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.05)
    driver = Driver.start(parse_backend(f"{FAULTY}:Sleeps"), inproc=True)
    beside = driver.call("generate", {"prompt": ""})
    assert beside.wait_entered(5)
    assert driver.run("generate", {"prompt": ""}, deadline=0.05).ending == "hang"
    assert beside.wait(5).ending == "crash"
    assert driver.run("chat", {"messages": []}).text == "awake"
    driver.close()
