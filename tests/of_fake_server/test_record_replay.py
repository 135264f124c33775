"""Recording a server, replaying it, the live view and the journal file; no secret gets into any of them."""

import contextlib
import dataclasses
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from pytest_httpserver import HTTPServer
from raw_http import Wire, ask, request
from werkzeug import Response

from tgi_conformance.contracts.codec import from_json
from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.recording import Content, Part, RecordedAnswer, RecordedRequest, Recording
from tgi_conformance.contracts.schema.registry import problems, schema
from tgi_conformance.contracts.script import Reply, Script, always, answer, data, done, status, stream
from tgi_conformance.fake_server.client import FakeServer, answered
from tgi_conformance.fake_server.http.parsing import RequestReader
from tgi_conformance.fake_server.journal.builder import JournalBuilder
from tgi_conformance.fake_server.journal.secrecy import credentials, stripped_target
from tgi_conformance.fake_server.recording.replay import RecordingsError, Replay, read_recordings, reply_of
from tgi_conformance.fake_server.service.observers import LiveView

KEY = "hf_" + "RealLookingKey" * 2 + "Xy"
PLAIN_KEY = "sk-company-secret-42"
COMMAND = [sys.executable, "-m", "tgi_conformance.fake_server"]


@contextlib.contextmanager
def started(*flags: str) -> Iterator[tuple[dict[str, str], subprocess.Popen[bytes]]]:
    """A server process, its ready line read; ended by SIGTERM."""
    with subprocess.Popen([*COMMAND, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline()), process
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


ERROR = status(429, ("retry-after", "1"), ("set-cookie", "session=abcdef123456"), json={"error": "busy"})
STREAM = stream(data({"token": f"é {PLAIN_KEY}"}), done())
ASKED = {"inputs": f"tell me {KEY}"}
HEADERS = {"authorization": f"Bearer {PLAIN_KEY}"}


@pytest.fixture(scope="module")
def recorded(fake: FakeServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A folder of recordings, and the answers that the client saw meanwhile."""
    folder = tmp_path_factory.mktemp("recordings")
    replies = (
        STREAM.where(path="/generate_stream"),
        ERROR.where(path="/generate"),
        answer("second").where(path="/generate"),
        STREAM.where(path="/v1/chat/completions").cut("fin", event=1),
    )
    space = fake.space(Script(replies=replies))
    seen = []
    with started("--record", str(folder), "--upstream", space.base_url) as (ready, _):
        with Wire(ready["base_url"]) as wire:
            wire.send(request("/generate_stream", ASKED, headers=HEADERS))
            seen.append(wire.response().body)
            for _ in range(2):
                wire.send(request("/generate?api_key=topsecret99", ASKED, headers=HEADERS))
                seen.append(wire.response().body)
            wire.send(request("/info", method="GET"))
            seen.append(wire.response().body)
        with Wire(ready["base_url"]) as wire:
            wire.send(request("/v1/chat/completions", ASKED, headers=HEADERS))
            seen.append(wire.read_to_end()[0].partition(b"\r\n\r\n")[2])
        sent = [exchange.header("authorization") for exchange in space.journal().generations]
    assert sent == [HEADERS["authorization"]] * 4, "the upstream server gets the client's own key"
    return folder, seen


def test_recordings_are_files_in_order_with_readable_bodies(recorded: tuple[Path, list[bytes]]) -> None:
    recordings = read_recordings(recorded[0])
    assert list(recordings) == [
        "0001-POST-generate-stream.json",
        "0002-POST-generate.json",
        "0003-POST-generate.json",
        "0004-GET-info.json",
        "0005-POST-v1-chat-completions.json",
    ]
    first, error, _, info, torn = recordings.values()
    assert [part.content.text for part in first.answer.parts] == [
        'data: {"token":"é key:any"}\n\n',
        "data: [DONE]\n\n",
    ]
    assert (error.answer.status, error.answer.header("retry-after")) == (429, "1")
    assert json.loads(info.answer.parts[0].content.text or "")["model_id"]
    assert (torn.answer.ending, len(torn.answer.parts)) == ("fin", 1)


def test_no_secret_is_in_any_recording(recorded: tuple[Path, list[bytes]]) -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in recorded[0].iterdir())
    for secret in (KEY, PLAIN_KEY, "topsecret99", "abcdef123456"):
        assert secret not in text
    assert "Bearer key:any" in text


def test_a_replay_gives_the_recorded_answers_in_turn(recorded: tuple[Path, list[bytes]]) -> None:
    folder, seen = recorded
    clean = [body.replace(PLAIN_KEY.encode(), b"key:any") for body in seen]
    other = {"authorization": "Bearer another-key-entirely"}
    with started("--replay", str(folder), "--replay-speed", "0") as (ready, _):
        base = ready["base_url"]
        streamed = ask(base, "/generate_stream", ASKED, headers=other)
        assert (streamed.body, len(streamed.chunks)) == (clean[0], 2)
        again = [ask(base, "/generate?api_key=mine-mine", ASKED, headers=other) for _ in range(3)]
        assert [got.body for got in again] == [clean[1], clean[2], clean[2]]
        assert [got.status for got in again] == [429, 200, 200]
        assert again[0].header("retry-after") == "1"
        assert ask(base, "/info", method="GET").body == clean[3]
        with Wire(base) as wire:
            wire.send(request("/v1/chat/completions", ASKED))
            torn = wire.read_to_end()[0].partition(b"\r\n\r\n")[2]
    # What was stripped makes the chunk shorter.
    assert torn.partition(b"\r\n")[2] == clean[4].partition(b"\r\n")[2]


def test_a_server_that_is_not_ours_is_recorded_and_replayed(httpserver: HTTPServer, tmp_path: Path) -> None:
    """An independent server frames and orders its answers in its own way."""
    httpserver.expect_ordered_request("/generate", method="POST", headers=HEADERS).respond_with_json(
        {"generated_text": f"é {PLAIN_KEY}"}, headers={"x-compute-type": "1-cpu"}
    )
    httpserver.expect_ordered_request("/generate_stream").respond_with_response(
        Response(iter(["data: 1\n\n", "data: 2\n\n"]), content_type="text/event-stream")
    )
    httpserver.expect_ordered_request("/v1/models").respond_with_data("gone", status=404)
    asked = (("/generate", "POST"), ("/generate_stream", "POST"), ("/v1/models", "GET"))
    with started("--record", str(tmp_path), "--upstream", httpserver.url_for("")) as (ready, _):
        seen = [ask(ready["base_url"], path, ASKED, method=how, headers=HEADERS) for path, how in asked]
    httpserver.check_assertions()
    assert [got.status for got in seen] == [200, 200, 404]
    assert seen[0].header("x-compute-type") == "1-cpu"
    assert PLAIN_KEY.encode() in seen[0].body
    assert not any(PLAIN_KEY in file.read_text(encoding="utf-8") for file in tmp_path.iterdir())
    with started("--replay", str(tmp_path), "--replay-speed", "0") as (ready, _):
        again = [ask(ready["base_url"], path, ASKED, method=how) for path, how in asked]
        with Wire(ready["base_url"]) as wire:  # ended by the close of the connection, as werkzeug does it
            wire.send(request("/generate_stream", ASKED))
            streamed, ending = wire.read_to_end()
    assert [got.status for got in again] == [200, 200, 404]
    assert (streamed.partition(b"\r\n\r\n")[2], ending) == (b"data: 1\n\ndata: 2\n\n", "fin")
    assert (again[2].body, json.loads(again[0].body)) == (b"gone", {"generated_text": "é key:any"})


def test_what_was_not_recorded_is_said_to_be_missing(recorded: tuple[Path, list[bytes]]) -> None:
    with started("--replay", str(recorded[0])) as (ready, _):
        other_body = ask(ready["base_url"], "/generate_stream", {"inputs": "new"})
        nowhere = ask(ready["base_url"], "/metrics", method="GET")
    assert (other_body.status, nowhere.status) == (404, 404)
    assert "1 with another body" in json.loads(other_body.body)["error"]
    assert "POST /generate_stream" in json.loads(nowhere.body)["error"]


def test_json_bodies_are_compared_by_value() -> None:
    def recording(body: str, text: str) -> Recording:
        return Recording(
            request=RecordedRequest(method="POST", target="/generate", body=Content(text=body)),
            answer=RecordedAnswer(status=200, parts=(Part(content=Content(text=text)),)),
        )

    replay = Replay({"1": recording('{"a": 1, "b": [2]}', "x")}, speed=0)
    (asked,) = RequestReader(max_body=100).feed(request(body=b'{"b":[2],"a":1}'), 0.0)
    taken = replay.take(asked, "/generate", key="none", origin="a")
    assert taken is not None
    assert taken[0] == "1"
    assert replay.uses()[0].requests == 1


def test_recorded_waits_are_replayed_at_the_speed_asked_for() -> None:
    parts = tuple(Part(content=Content(text=text), after_ms=wait) for text, wait in (("ab", 0.1), ("c", 30)))
    answered_so = RecordedAnswer(status=200, head_ms=10, parts=parts)

    def delays(reply: Reply) -> tuple[float, list[tuple[int, float]]]:
        return reply.delivery.delay_ms, [(pause.before, pause.ms) for pause in reply.delivery.pauses]

    assert delays(reply_of(answered_so, speed=1)) == (10, [(2, 30)])
    assert delays(reply_of(answered_so, speed=2)) == (5, [(2, 15)])
    assert delays(reply_of(answered_so, speed=0)) == (0, [])


def test_an_unreachable_upstream_is_a_502_that_says_so(tmp_path: Path, fake: FakeServer) -> None:
    space = fake.space(Script(origins=("a", "refused:b")))
    with started("--record", str(tmp_path), "--upstream", space.url("b")) as (ready, process):
        got = ask(ready["base_url"])
        process.terminate()
        assert process.stderr is not None
        assert b"cannot be reached" in process.stderr.read()
    assert (got.status, json.loads(got.body)["error_type"]) == (502, "recorder")
    assert list(tmp_path.iterdir()) == []


GOOD = {"request": {"method": "GET", "target": "/info"}, "answer": {"status": 200}}


def with_answer(**fields: object) -> str:
    return json.dumps({**GOOD, "answer": {"status": 200, **fields}})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no recordings"),
        ("{", r"0001\.json: no JSON"),
        ("[" * 100_000, r"0001\.json: no JSON"),
        ('{"request": {}}', r"0001\.json: /: 'answer' is a required property \(and 2 more\)"),
        (json.dumps({**GOOD, "version": 2}), r"0001\.json: /version: 1 was expected"),
        (json.dumps({**GOOD, "more": 1}), r"/: .*'more' was unexpected"),
        (with_answer(status="200"), r"/answer/status: '200' is not of type 'integer'"),
        (with_answer(status=99), r"/answer/status: 99 is less than the minimum"),
        (with_answer(ending="gone"), r"/answer/ending: 'gone' is not one of"),
        (with_answer(head_ms=-1), r"/answer/head_ms: -1 is less than"),
        (with_answer(headers=[["a"]]), r"/answer/headers/0: .* is too short"),
        (with_answer(headers=[["a", "b\r\nc: d"]]), r"/answer/headers/0/1: .* does not match"),
        (with_answer(parts=[{"content": {"text": "a", "base64": "YQ=="}}]), "/answer/parts/0/content: "),
        (with_answer(parts=[{"content": {"base64": "Y"}}]), "/answer/parts/0/content/base64: "),
    ],
)
def test_a_folder_that_cannot_be_replayed_is_refused_with_file_place_and_rule(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / "0001.json").write_text(content)
    with pytest.raises(RecordingsError, match=problem):
        read_recordings(tmp_path)


def test_the_server_says_what_is_wrong_with_a_recording_and_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "0001.json").write_text(with_answer(status=1))
    command = [*COMMAND, "--replay", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert "0001.json: /answer/status: 1 is less than the minimum of 100" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_what_is_recorded_fits_its_schema(recorded: tuple[Path, list[bytes]]) -> None:
    files = sorted(recorded[0].glob("*.json"))
    assert files
    for file in files:
        assert problems("recording", json.loads(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("cls", [Recording, RecordedRequest, RecordedAnswer, Part, Content])
def test_the_schema_of_recordings_has_the_fields_of_their_classes(cls: type) -> None:
    document = schema("recording")
    described = document["$defs"].get(cls.__name__, document)
    assert set(described["properties"]) == {field.name for field in dataclasses.fields(cls)}


@pytest.mark.parametrize(
    "flags",
    [
        ["--record", "x"],
        ["--upstream", "ftp://x"],
        ["--upstream", "http://x", "--replay", "x"],
        ["--upstream", "http://x", "--workers", "2"],
        ["--record", "x", "--upstream", "ftp://x"],
        ["--record", "x", "--upstream", "http://user:pass@x"],
        ["--replay", "/nonexistent"],
        ["--replay-speed", "-1"],
        ["--key", "hf_thekeyitself"],
        ["--journal", "/nonexistent/x"],
        ["--workers", "2", "--replay", "x"],
    ],
)
def test_options_that_make_no_sense_are_refused_without_showing_a_key(
    flags: list[str], tmp_path: Path
) -> None:
    got = subprocess.run([*COMMAND, *flags], capture_output=True, timeout=30, check=False, cwd=tmp_path)
    assert got.returncode == 2
    assert got.stderr.startswith(b"fake server: ")
    assert b"thekeyitself" not in got.stderr
    assert b"Traceback" not in got.stderr


# --- the live view and the journal file ---------------------------------------------------------------


def test_journal_and_live_view_tell_each_exchange_without_keys(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    flags = ["--journal", str(journal), "--live", "on", "--key", f"A={KEY}"]
    with started(*flags) as (ready, process):
        for header in (f"Bearer {KEY}", f"Bearer {PLAIN_KEY}"):
            ask(ready["base_url"], "/generate?token=q-secret", ASKED, headers={"authorization": header})
        ask(ready["base_url"], "/generate", {"inputs": "short"}, headers={"authorization": "Bearer abc"})
        process.terminate()
        assert process.stderr is not None
        shown = process.stderr.read().decode()
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    assert [line["exchange"]["key"] for line in lines] == ["A", "other", "other"]
    exchanges = [from_json(Exchange, line["exchange"]) for line in lines]
    assert exchanges[0].json() == {"inputs": "tell me key:A"}
    assert [exchange.header("authorization") for exchange in exchanges] == [
        "Bearer key:A",
        "Bearer key:other",
        "Bearer key:other",
    ]
    assert lines[0]["time"].endswith("+00:00")
    views = shown.splitlines()
    assert len(views) == 3
    assert "POST /generate?token=key:any" in views[0]
    assert "key:A" in views[0]
    assert " 200 " in views[0]
    assert " ms" in views[0]
    for secret in (KEY, PLAIN_KEY, "q-secret", "Bearer abc"):
        assert secret not in shown + journal.read_text(encoding="utf-8")


def test_the_live_view_writes_nothing_that_a_terminal_obeys() -> None:
    out = io.StringIO()
    view = LiveView(out)

    class Told:
        keys: ClassVar[dict[str, str]] = {}

    (got,) = RequestReader(max_body=9).feed(b"GET /info HTTP/1.1\r\n\r\n", 1.0)
    builder = JournalBuilder(lambda: 1.0)
    record = builder.book(got, builder.open_connection("a", 0.0), key="none", late=False)
    record.reply = "\x9b2J"
    view(Told(), record)  # type: ignore[arg-type]
    assert "\x9b" not in out.getvalue()
    assert "\\x9b2J" in out.getvalue()


def test_spaces_opened_later_are_shown_too(tmp_path: Path) -> None:
    journal = tmp_path / "j.jsonl"
    with FakeServer.start(extra_args=["--journal", str(journal)]) as server:
        space = server.space(Script(replies=(always(answer("x")).named("mine"),)))
        ask(space.base_url)
        space.wait(answered(1), 5)
    (line,) = map(json.loads, journal.read_text(encoding="utf-8").splitlines())
    assert (line["space"], line["exchange"]["reply"]) == (space.id, "mine")


def test_a_bind_beyond_loopback_warns_that_the_control_api_stays() -> None:
    with started("--hostname", "0.0.0.0") as (ready, process):  # noqa: S104
        assert ready["control"].startswith("http://127.0.0.1:")
        process.terminate()
        assert process.stderr is not None
        assert b"control API stays on loopback" in process.stderr.read()


def test_options_add_tls_nagle_keys_and_origins_to_a_script(tmp_path: Path) -> None:
    script = tmp_path / "s.json"
    script.write_text('{"origins": ["a", "b"], "replies": [{"tgi": {"text": "x"}, "when": {"key": "B"}}]}')
    with started("--script", str(script), "--tls", "--key", "B=bbbbbbbb") as (ready, _):
        assert ready["base_url"].startswith("https://127.0.0.1:")
        assert set(ready["urls"]) == {"a", "b"}
        assert "BEGIN CERTIFICATE" in ready["certificate"]


def test_a_script_can_come_from_standard_input() -> None:
    with subprocess.Popen(
        [*COMMAND, "--script", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"replies": [{"tgi": {"text": "from stdin"}}]}')
        process.stdin.close()
        ready = json.loads(process.stdout.readline())
        assert b"from stdin" in ask(ready["base_url"]).body
        process.terminate()
        assert process.wait(timeout=20) == 0


# --- credentials --------------------------------------------------------------------------------------


def test_credentials_are_found_in_headers_and_query() -> None:
    headers = [
        ("Authorization", "Bearer abcdefgh"),
        ("X-API-Key", "12345678"),
        ("Cookie", "a=cookie-one; b=cookie-two"),
        ("X-Other", "not-a-secret"),
    ]
    found = credentials(headers, "/x?api_key=in-the-query&page=22222222", alias="any")
    assert sorted(found.values()) == ["12345678", "abcdefgh", "cookie-one", "cookie-two", "in-the-query"]
    assert stripped_target("/x?api_key=in-the-query&page=2", {}) == "/x?api_key=key:any&page=2"
