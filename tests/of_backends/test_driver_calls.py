"""What calls of a well-behaved adapter give: answers, streams, ways to leave and to take back."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tgi_conformance.backends.driver.call import Call, CallPort
from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.events import Stream
from tgi_conformance.backends.driver.spec import parse_backend
from tgi_conformance.contracts.adapter import Piece
from tgi_conformance.contracts.error_kinds import ErrorKind

ADAPTERS = Path(__file__).parents[1] / "adapters"
MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module", params=["child", "inproc"])
def echo(request: pytest.FixtureRequest) -> Iterator[Driver]:
    spec = parse_backend(f"{ADAPTERS / 'echo.py'}:Echo")
    with Driver.start(spec, inproc=request.param == "inproc") as driver:
        yield driver


def texts(pieces: tuple[Piece, ...]) -> list[object]:
    return [piece.text for piece in pieces]


def test_plain_call_returns_its_answer_with_times_in_order(echo: Driver) -> None:
    outcome = echo.run("generate", {"prompt": "hello"})
    assert (outcome.ending, outcome.text, outcome.truthy) == ("answer", "hello", True)
    assert outcome.entered_at is not None
    assert outcome.ended_at is not None
    assert outcome.entered_at <= outcome.ended_at


def test_empty_answer_is_falsy_and_an_answer(echo: Driver) -> None:
    outcome = echo.run("generate", {"prompt": ""})
    assert (outcome.ending, outcome.text, outcome.truthy) == ("answer", "", False)


def test_parameters_reach_the_adapter_by_name(echo: Driver) -> None:
    outcome = echo.run("generate", {"prompt": "x", "act": "parameters", "top_k": 5, "stop": ["a", "b"]})
    assert outcome.answer is not None
    assert outcome.answer.raw == {"prompt": "x", "act": "parameters", "top_k": 5, "stop": ["a", "b"]}


def test_coroutine_returns_a_mapping_as_answer(echo: Driver) -> None:
    outcome = echo.run("chat", {"messages": MESSAGES})
    assert outcome.answer is not None
    assert (outcome.answer.text, outcome.answer.finish_reason) == ("hello", "stop")


def test_value_of_a_method_that_generates_nothing_is_raw(echo: Driver) -> None:
    assert echo.run("create_endpoint", {"base_url": "http://127.0.0.1"}).value == "e1"
    assert echo.run("get_stats", {"endpoint_id": "e1"}).value["endpoint"] == "e1"  # type: ignore[index,call-overload]


@pytest.mark.parametrize("method", ["generate", "completions"], ids=["generator", "async generator"])
class TestStreams:
    def test_wait_reads_a_stream_to_its_end(self, echo: Driver, method: str) -> None:
        outcome = echo.run(method, {"prompt": "abc"}, stream=method == "generate")
        assert (outcome.ending, texts(outcome.pieces), outcome.text) == ("end", ["a", "b", "c"], "abc")
        assert list(outcome.piece_times) == sorted(outcome.piece_times)

    def test_read_gives_what_was_asked_for_and_less_at_the_end(self, echo: Driver, method: str) -> None:
        call = echo.call(method, {"prompt": "abcde"}, stream=method == "generate")
        assert texts(call.read(2, 5)) == ["a", "b"]
        assert not call.done
        assert texts(call.read(2, 5)) == ["c", "d"]
        assert texts(call.read(2, 5)) == ["e"]
        assert call.wait(5).ending == "end"

    def test_pieces_are_pulled_not_pushed(self, echo: Driver, method: str) -> None:
        call = echo.call(method, {"prompt": "abcde"}, stream=method == "generate")
        call.read(1, 5)
        echo.run("generate", {"prompt": "meanwhile"})
        assert texts(call.pieces_so_far()) == ["a"]
        call.pull(2)
        assert call.wait_pieces(3, 5)
        assert texts(call.read(2, 5)) == ["b", "c"]
        call.leave()

    @pytest.mark.parametrize("how", ["close", "drop", "throw"])
    def test_every_way_to_leave_closes_the_stream(self, echo: Driver, method: str, how: str) -> None:
        call = echo.call(method, {"prompt": "abcde"}, stream=method == "generate")
        call.read(1, 5)
        outcome = call.leave(how)
        assert (outcome.ending, texts(outcome.pieces)) == ("left", ["a"])

    def test_abandoned_stream_has_its_outcome_at_once(self, echo: Driver, method: str) -> None:
        call = echo.call(method, {"prompt": "abcde"}, stream=method == "generate")
        call.read(1, 5)
        assert call.abandon().ending == "abandoned"
        assert echo.run("generate", {"prompt": "next"}).text == "next"


def test_empty_stream_ends_without_pieces(echo: Driver) -> None:
    outcome = echo.run("generate", {"prompt": ""}, stream=True)
    assert (outcome.ending, outcome.pieces) == ("end", ())


@pytest.mark.parametrize("how", ["close", "drop", "throw"])
def test_left_async_generator_runs_its_finally(echo: Driver, how: str) -> None:
    echo.census()
    call = echo.call("completions", {"prompt": "abc", "act": ""})
    call.read(1, 5)
    call.leave(how)
    assert [record.text for record in echo.census().logs or () if record.logger == "echo.stream"] == [
        "closed"
    ]


@pytest.mark.parametrize("how", ["close", "drop", "throw"])
def test_a_stream_that_cannot_be_closed_is_let_go_of(echo: Driver, how: str) -> None:
    """A ``map`` has no ``close()``; what stands behind it may wait for a collection of garbage."""
    echo.census()
    call = echo.call("generate", {"prompt": "abc", "act": "map"}, stream=True)
    call.read(1, 5)
    call.leave(how)
    logs = echo.census(collect=False).logs or ()
    assert [record.text for record in logs if record.logger == "echo.stream"] == ["closed"]


def test_exception_comes_classified_and_as_its_raw_chain(echo: Driver) -> None:
    outcome = echo.run("generate", {"prompt": "why", "act": "raise"})
    assert outcome.ending == "error"
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.status) == (ErrorKind.VALIDATION, 422)
    raised, cause = outcome.exception
    assert (raised.type, raised.args, raised.relation) == ("echo.EchoError", ("'why'", "7"), "raised")
    assert (cause.type, cause.relation) == ("KeyError", "cause")


def test_exception_of_a_coroutine_is_classified_too(echo: Driver) -> None:
    outcome = echo.run("chat", {"messages": [], "act": "raise"})
    assert outcome.error is not None
    assert outcome.error.kind is ErrorKind.VALIDATION


def test_system_exit_is_an_error_of_the_call_and_not_the_end_of_the_host(echo: Driver) -> None:
    outcome = echo.run("generate", {"prompt": "5", "act": "exit"})
    assert (outcome.ending, outcome.exception[0].type) == ("error", "SystemExit")
    assert outcome.error is not None
    assert outcome.error.kind is ErrorKind.UNMAPPED
    assert echo.generation == 0


def test_cancelled_coroutine_shows_what_its_awaiter_sees(echo: Driver) -> None:
    call = echo.call("chat", {"messages": [], "act": "sleep"})
    assert call.wait_entered(5)
    call.cancel()
    outcome = call.wait(5)
    assert (outcome.ending, outcome.exception[0].type) == ("error", "asyncio.exceptions.CancelledError")


def test_coroutine_cancelled_before_its_first_step_still_ends(echo: Driver) -> None:
    for _ in range(20):
        call = echo.call("chat", {"messages": [], "act": "sleep"})
        call.cancel()
        assert call.wait(5).ending == "error"


def test_async_stream_cancelled_while_it_waits_for_a_piece(echo: Driver) -> None:
    call = echo.call("completions", {"prompt": "abc", "act": "sleep"})
    call.read(1, 5)
    call.pull(1)
    call.cancel()
    assert call.wait(5).exception[0].type == "asyncio.exceptions.CancelledError"


def test_async_stream_cancelled_between_two_reads(echo: Driver) -> None:
    call = echo.call("completions", {"prompt": "abc"})
    call.read(1, 5)
    call.cancel()
    assert call.wait(5).exception[0].type == "asyncio.exceptions.CancelledError"


def test_submitted_future_is_waited_for(echo: Driver) -> None:
    assert echo.run("submit", {"kind": "generate", "prompt": "later"}).text == "later"


def test_submitted_future_is_cancelled(echo: Driver) -> None:
    call = echo.call("submit", {"kind": "generate"})
    assert call.wait_entered(5)
    call.cancel()
    assert call.wait(5).exception[0].type.endswith("CancelledError")


def test_missing_method_costs_no_round_trip(echo: Driver) -> None:
    outcome = echo.run("reset_stats")
    assert (outcome.ending, outcome.entered_at) == ("missing", None)
    assert "reset_stats" in outcome.detail
    assert echo.run("nonsense").ending == "missing"


def test_objects_come_as_their_texts(echo: Driver) -> None:
    _, error = echo.run("public_objects").value  # type: ignore[misc]
    assert error == {"$object": {"type": "echo.EchoError", "repr": "EchoError('shown')", "str": "shown"}}


def test_argument_that_cannot_travel_is_the_callers_mistake(echo: Driver) -> None:
    with pytest.raises(TypeError, match="object cannot be an argument"):
        echo.call("generate", {"prompt": object()})


def test_description_is_typed_and_claims_core(echo: Driver) -> None:
    assert echo.description.name == "echo"
    assert echo.description.capabilities == {"core", "stream", "native"}
    assert echo.description.retry is not None
    assert echo.description.retry.max_delay == float("inf")
    assert echo.language.startswith("Python 3")
    assert {"describe", "generate", "classify"} <= echo.implemented


def test_interrupt_reaches_a_blocking_plain_call() -> None:
    with Driver.start(parse_backend(f"{ADAPTERS / 'echo.py'}:Echo")) as driver:
        blocked = driver.call("generate", {"prompt": "x", "act": "block"})
        assert blocked.wait_entered(5)
        beside = driver.call("generate", {"prompt": "x", "act": "fruitless"})
        assert beside.wait_entered(5)
        for call in (beside, blocked):
            call.cancel("interrupt")
            assert call.wait(5).exception[0].type == "KeyboardInterrupt"
        assert driver.run("generate", {"prompt": "after"}).text == "after"
        assert driver.generation == 0


def test_interrupt_reaches_a_call_that_begins_as_another_ends() -> None:
    with Driver.start(parse_backend(f"{ADAPTERS / 'echo.py'}:Echo")) as driver:
        for _ in range(150):  # the call before must have left the main thread, the only one that can be woken
            call = driver.call("generate", {"prompt": "x", "act": "block"})
            assert call.wait_entered(5)
            call.cancel("interrupt")
            assert call.wait(5).exception[0].type == "KeyboardInterrupt"


def test_plain_calls_are_inside_together_without_limit() -> None:
    with Driver.start(parse_backend(f"{ADAPTERS / 'faulty.py'}:Counts")) as driver:
        calls = [driver.call("generate", {"prompt": str(i)}) for i in range(120)]
        assert driver.run("chat", {"messages": [len(calls)]}).text == "all inside"
        assert [call.wait(5).text for call in calls] == [str(i) for i in range(120)]


def test_a_host_is_asked_for_pieces_once_it_has_a_stream() -> None:
    sent: list[dict[str, object]] = []
    call = Call(7, "generate", cast("CallPort", SimpleNamespace(send=sent.append)))
    call.ask(1)
    call.ask(2)
    assert sent == []
    call.on_event(Stream(id=7, at=1.0))
    assert sent == [{"op": "read", "id": 7, "n": 3}]
    call.ask(4)
    assert sent[1:] == [{"op": "read", "id": 7, "n": 4}]
