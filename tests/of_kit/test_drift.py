"""drift and record: who disagrees with whom, recordings in the kit's form, what replays of them say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from laboratory import LABORATORY

from tgi_conformance.check.asked import Answered, Asked
from tgi_conformance.check.drift import differences, drift, shape_of
from tgi_conformance.check.recorded import ForeignRecordingError, answered_of, asked_of, converted
from tgi_conformance.cli import main
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Generation, Reply, Script, Server, always, status
from tgi_conformance.fake_server.client import FakeServer
from tgi_conformance.fake_server.recording.replay import read_recordings

JSON_TYPE = (("content-type", "application/json"),)
KEY = "hf_" + "RealKeyOfTheUser" * 2


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def answer(value: JSON, code: int = 200) -> Answered:
    return Answered(code, JSON_TYPE, json.dumps(value).encode())


def stream(*frames: JSON, done: bool = False) -> Answered:
    data = b"".join(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames)
    return Answered(
        200, (("content-type", "text/event-stream"),), data + (b"data: [DONE]\n\n" if done else b"")
    )


def test_the_shape_of_a_value_is_its_places_and_their_types() -> None:
    assert shape_of({"a": [{"b": 1}, {"b": "x", "c": None}], "d": True}) == {
        "": {"object"},
        "a": {"array"},
        "a[]": {"object"},
        "a[].b": {"number", "string"},
        "a[].c": {"null"},
        "d": {"boolean"},
    }


@pytest.mark.parametrize(
    ("real", "here", "told"),
    [
        (answer({"a": 1}), answer({"a": 2}), []),
        (answer({"a": 1}), answer({"a": "x"}), ["a: number / string"]),
        (answer({"a": 1, "b": 1}), answer({"a": 2}), ["b: number / absent"]),
        (answer({"a": None}), answer({"a": {"b": 1}}), []),
        (answer({"a": []}), answer({"a": [{"b": 1}]}), []),
        (answer({}), answer({"a": []}), ["a: absent / array"]),
        (answer({}, 404), answer({}), ["status: 404 / 200"]),
        (
            answer({}),
            Answered(200, (("content-type", "text/plain"),), b"{}"),
            ["content type: application/json / text/plain"],
        ),
        (
            answer({"error": "at most 5", "error_type": "validation"}, 422),
            answer({"error": "at most 7", "error_type": "validation"}, 422),
            [],
        ),
        (
            answer({"error": "no", "error_type": "x"}, 422),
            answer({"error": "none", "error_type": "x"}, 422),
            ["error: 'no' / 'none'"],
        ),
        (stream({"a": 1}), stream({"a": 1}, {"a": None}, {"a": 2}), []),
        (stream({"a": 1}, done=True), stream({"a": 1}), ["[DONE]: True / False"]),
        (Answered(0, problem="gone"), answer({}), ["answer: gone / whole"]),
        (Answered(400, body=b"no"), Answered(400, body=b"nope"), ["text: 'no' / 'nope'"]),
    ],
)
def test_answers_differ_in_what_no_model_decides(real: Answered, here: Answered, told: list[str]) -> None:
    assert [*differences(real, here)] == told


@pytest.mark.parametrize(
    ("real", "here", "verdict"),
    [
        (200, 200, ""),
        (500, 200, "the real server disagrees with contracts and fake"),
        (200, 500, "the fake disagrees with contracts and real server"),
        (500, 500, "the contracts disagree with both"),
        (500, 501, "all three disagree"),
    ],
)
def test_who_is_alone_is_said(real: int, here: int, verdict: str) -> None:
    asked = Asked(name="health", method="GET", path="/health")
    (row,) = drift([asked], lambda _: Answered(real), lambda _: Answered(here), Server())
    assert row.verdict == verdict


def test_recordings_of_the_laboratory_are_had_in_the_kits_form() -> None:
    made = converted(LABORATORY)
    assert (made.answer.reason, made.answer.framing, made.answer.head_ms) == ("Fine", "content-length", 4.5)
    assert made.request.headers == (("content-type", "application/json"),)
    assert asked_of("x", made.request).value == {"inputs": "é"}
    assert answered_of(made.answer).value == {"a": "é"}
    frames = [{"raw": "data: a\n\n", "gap_ms": 3}, {"raw": "data: b\n\n", "gap_ms": -1}]
    response = {"status": 200, "framing": "chunked", "body_end": "last-chunk", "frames": frames}
    streamed = converted(LABORATORY | {"response": response})
    assert streamed.answer.ending == "complete"
    assert [(part.content.text, part.after_ms) for part in streamed.answer.parts] == [
        ("data: a\n\n", 3.0),
        ("data: b\n\n", 0.0),
    ]


@pytest.mark.parametrize(
    ("body_end", "ending"),
    [("complete", "complete"), ("none", "complete"), ("closed-without-last-chunk", "fin")],
)
def test_a_recorded_body_is_whole_unless_it_broke_off(body_end: str, ending: str) -> None:
    made = converted(LABORATORY | {"response": LABORATORY["response"] | {"body_end": body_end}})
    assert made.answer.ending == ending


@pytest.mark.parametrize(
    "change",
    [
        {"request": {"raw": "GET"}},
        {"response": {"nothing": "came"}},
        {"response": {"status": 200, "body": "<html>...(cut)"}},
        {"request": LABORATORY["request"] | {"body": "aaa...(300014 bytes)"}},
    ],
)
def test_what_cannot_be_had_is_said_to_be_so(change: dict[str, Any]) -> None:
    with pytest.raises(ForeignRecordingError):
        converted(LABORATORY | change)


def test_what_is_recorded_of_a_server_is_replayed_and_drifts_in_nothing(
    fake: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_API_KEY", KEY)
    toy = Script(otherwise=Reply(tgi=Generation(toy=True)))
    with fake.space(toy) as space:
        assert main(["record", "--cases", space.base_url, str(tmp_path / "own")]) == 0
        assert main(["drift", space.base_url]) == 0
    assert "all three agree" in capsys.readouterr().out
    files = [*(tmp_path / "own").glob("*.json")]
    assert len(files) > 400
    assert not [file for file in files if KEY in file.read_text(encoding="utf-8")]
    first = next(iter(read_recordings(tmp_path / "own").values()))
    assert (first.request.target, first.answer.reason) == ("/info", "OK")
    with FakeServer.start(extra_args=["--replay", str(tmp_path / "own"), "--replay-speed", "0"]) as replay:
        assert main(["check-server", replay.base_url, "--from", str(tmp_path / "own")]) == 0
    # What was recorded of one request is played in turn, so each asker needs a replay of its own.
    with FakeServer.start(extra_args=["--replay", str(tmp_path / "own"), "--replay-speed", "0"]) as replay:
        assert main(["drift", replay.base_url, "--from", str(tmp_path / "own")]) == 0


def test_a_server_that_drifts_is_shown_with_who_disagrees(
    fake: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = always(status(200, json={"status": "ok"}).where(path="/health", method="GET"), at_least=0)
    with fake.space(Script(replies=(wrong,), otherwise=Reply(tgi=Generation(toy=True)))) as space:
        assert main(["drift", space.base_url, "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["route"], row["verdict"]) == (
        "GET /health",
        "the real server disagrees with contracts and fake",
    )


def test_a_folder_is_converted_and_what_cannot_be_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "gen.json").write_text(json.dumps(LABORATORY))
    (tmp_path / "lab" / "raw.json").write_text(json.dumps({"request": {"raw": "x"}, "response": {}}))
    assert main(["record", "--convert", str(tmp_path / "lab"), str(tmp_path / "own")]) == 0
    told = capsys.readouterr().out
    assert "raw.json: left out: it is no ordinary exchange" in told
    assert "1 of 2 recordings are written" in told
    assert [*read_recordings(tmp_path / "own")] == ["gen.json"]


def test_wrong_use_is_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", str(tmp_path)]) == 4
    assert main(["drift", "http://127.0.0.1:1", "--from", str(tmp_path)]) == 4
    assert "no recordings" in capsys.readouterr().err
    assert main(["drift", "http://127.0.0.1:1"]) == 14
