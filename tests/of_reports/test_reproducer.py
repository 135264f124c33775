"""The reproducer's script: what it plays, what it refuses, how it stays short, what never stands in it."""

import base64
from urllib.parse import quote

import pytest
from verdict_builder import CANARY, verdict

from tgi_conformance.contracts.journal import Connection, Exchange, Journal, KeptAnswer, ReplyUse, WireStep
from tgi_conformance.contracts.script import Reply, Script, answer, overloaded, silence
from tgi_conformance.contracts.verdict import Ruling
from tgi_conformance.reports.reproducer.literals import readable
from tgi_conformance.reports.reproducer.program import MOST_LINES, program
from tgi_conformance.reports.reproducer.turns import CannotPlayError, Play, Turn, play_of

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
HOSTILE = "'''\"\"\"\n#!/bin/sh\r\\x00\x00\x1b[31m\u2028\u202e\ud800@DATA@@PREFER@@MOUNT@"


def kept(*steps: WireStep, ended: str = "keep", **fields: object) -> KeptAnswer:
    return KeptAnswer(wire=steps, ended=ended, status=200, **fields)  # type: ignore[arg-type]


def asked(number: int = 0, **fields: object) -> Exchange:
    given: dict[str, object] = {"connection": 0, "method": "POST", "target": "/generate", "reply": "0"}
    return Exchange(id=number, **given | fields)  # type: ignore[arg-type]


def unplanned(script: Script, reply: Reply | None, exchange: Exchange) -> KeptAnswer:
    del script, reply, exchange
    return kept(WireStep(data=b"planned"))


def played(*exchanges: Exchange, script: Script | None = None, **journal: object) -> Play:
    script = script or Script(replies=(answer(),))
    return play_of(script, Journal(exchanges=exchanges, **journal), unplanned)  # type: ignore[arg-type]


def source(play: Play, reason: str = "the text differs") -> str:
    ruled = verdict("STREAM-12/a", Ruling.FAILED, reason=reason, expected=reason, observed=reason)
    return program(play, ruled, rule=reason, calls=(reason,), backend=reason)


def turns_of(text: str) -> object:
    """What the script's own names come to, without its server."""
    names: dict[str, object] = {}
    exec(text[: text.index("server = Server(")], names)  # noqa: S102 - the script is what is looked at
    return names["TURNS"]


def test_bytes_waits_and_ends_are_those_of_the_wire() -> None:
    steps = (WireStep(wait=0.0804), WireStep(data=HEAD, at=1.1), WireStep(data=b"hi", at=1.1))
    (turn,) = played(asked(answer=kept(*steps, ended="rst"))).turns
    assert turn == Turn(method="POST", path="/generate", steps=(0.08, HEAD, b"hi"), end="rst")


def test_a_gate_becomes_the_wait_that_it_was_or_a_wait_for_the_client() -> None:
    released = kept(WireStep(data=HEAD, at=1.0), WireStep(gate="g"), WireStep(data=b"hi", at=1.25))
    never = kept(WireStep(data=HEAD, at=1.0), WireStep(gate="g"), WireStep(data=b"hi"))
    first, second = played(asked(answer=released), asked(1, answer=never)).turns
    assert first.steps == (HEAD, 0.25, b"hi")
    assert second.steps == (HEAD, None, b"hi")


def test_the_answer_that_a_right_client_would_have_asked_for_is_there() -> None:
    script = Script(replies=(overloaded(), answer("at last")))
    uses = (ReplyUse(reply="0", requests=1, at_least=1, at_most=1),)
    uses += (ReplyUse(reply="1", requests=0, at_least=1, at_most=1),)
    play = played(asked(answer=kept(WireStep(data=HEAD, at=1.0))), script=script, replies=uses)
    assert [(turn.steps, turn.unseen) for turn in play.turns] == [((HEAD,), False), ((b"planned",), True)]
    assert "the client never asked for this one" in source(play)


def test_a_client_that_missed_the_servers_path_is_no_reason_for_a_right_one_to_do_so() -> None:
    script = Script(replies=(answer(),), mount="/gw")
    uses = (ReplyUse(reply="0", requests=0, at_least=1, at_most=1),)
    play = played(asked(answer=kept(WireStep(data=HEAD, at=1.0)), reply=None), script=script, replies=uses)
    assert [turn.path for turn in play.turns] == ["/generate", "/gw/generate"]


def test_an_answer_that_was_not_kept_is_planned_from_the_script() -> None:
    (turn,) = played(asked()).turns
    assert turn.steps == (b"planned",)


def test_connections_that_end_as_soon_as_they_are_there() -> None:
    script = Script(replies=(silence("rst", "accept"),))
    play = played(script=script, replies=(ReplyUse(reply="0", requests=2, at_least=1, at_most=None),))
    assert play.accepts == ("rst", "rst")
    compile(source(play), "repro.py", "exec")


@pytest.mark.parametrize(
    ("script", "fields", "why"),
    [
        (Script(tls=("a",)), {}, "TLS"),
        (Script(origins=("a", "b")), {}, "several addresses"),
        (Script(origins=("ipv6:a",)), {}, "IPv6"),
        (Script(idle_ms=5.0), {}, "idle"),
        (Script(replies=(answer().where(key="A"),)), {}, "depends on the key"),
        (Script(), {"http_version": "2"}, "HTTP/2"),
        (Script(), {"answer": kept(WireStep(data=HEAD, at=1.0), dropped_bytes=9)}, "9 bytes"),
    ],
)
def test_what_takes_more_than_a_short_script_is_refused(
    script: Script, fields: dict[str, object], why: str
) -> None:
    with pytest.raises(CannotPlayError, match=why):
        played(asked(**fields), script=script)


def test_a_client_that_sent_nothing_met_nothing() -> None:
    with pytest.raises(CannotPlayError, match="sent nothing"):
        played(connections=(Connection(id=0, opened_at=1.0),))


def long_play(writes: int, size: int, turns: int) -> Play:
    step = bytes(range(256)) * (size // 256) or b"x"
    one = Turn(method="POST", path="/generate", steps=(HEAD, *(step[n:] + step[:n] for n in range(writes))))
    return Play(turns=tuple(Turn(method="POST", path=f"/{n}", steps=one.steps) for n in range(turns)))


@pytest.mark.parametrize(
    ("writes", "size", "turns"), [(1, 1, 1), (40, 1, 1), (3, 1024, 3), (2, 9216, 2), (30, 1, 40)]
)
def test_the_script_has_sixty_lines_at_most_and_means_the_same(writes: int, size: int, turns: int) -> None:
    play = long_play(writes, size, turns)
    text = source(play)
    assert text.count("\n") <= MOST_LINES
    assert turns_of(text) == [(t.method, t.path, list(t.steps), t.end) for t in play.turns]


def test_what_comes_again_and_again_is_written_once() -> None:
    steps = (HEAD, *(0.02, b"data: x\n\n") * 30)
    play = Play(turns=(Turn(method="POST", path="/generate", steps=steps),) * 5)
    text = source(play)
    assert "*[0.02, b'data: x\\n\\n'] * 30" in text
    assert turns_of(text) == [("POST", "/generate", list(steps), "keep")] * 5


def test_what_is_short_is_readable() -> None:
    lines = readable((Turn(method="POST", path="/generate", steps=(HEAD, 0.1, b"hi")),), 20)
    assert lines is not None
    assert lines[1:-1] == [
        "    ('POST', '/generate', [",
        "        b'HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\n',",
        "        0.1,",
        "        b'hi',",
        "    ], 'keep'),",
    ]


def test_a_turn_a_line_comes_before_packing_and_blank_lines_go_first() -> None:
    turns = [Turn(method="POST", path=f"/{n}", steps=(HEAD, 0.1 * n + 0.01)) for n in range(11)]
    text = source(Play(turns=tuple(turns)))
    assert text.count("\n") <= MOST_LINES
    assert "    ('POST', '/10', [b'HTTP/1.1 200 OK" in text


def test_a_script_of_megabytes_is_refused() -> None:
    noise = b"".join(quote(str(n)).encode() + bytes([n % 256]) for n in range(300_000))
    with pytest.raises(CannotPlayError, match="characters"):
        source(Play(turns=(Turn(method="POST", path="/", steps=(noise,)),)))


def test_hostile_text_stays_text() -> None:
    turn = Turn(
        method="POST", path="/@DATA@'\n", steps=(HOSTILE.encode("utf-8", "surrogatepass"),), needs="@MOUNT@'"
    )
    text = source(Play(turns=(turn,), mount="/gw"), HOSTILE * 40)
    assert text.count("\n") <= MOST_LINES
    assert "\x1b" not in text
    assert "\u2028" not in text
    text.encode("utf-8")
    assert turns_of(text) == [("POST", turn.path, list(turn.steps), "keep")]


def test_no_path_of_the_machine_is_in_it() -> None:
    play = Play(turns=(Turn(method="POST", path="/generate", steps=(HEAD,)),))
    assert "somebody" not in source(play, 'File "/home/somebody/client.py", line 3')


def test_a_key_that_the_server_repeated_is_a_text_of_the_same_length() -> None:
    told = b'{"error":"no such key key:A"}'
    (turn,) = played(asked(answer=kept(WireStep(data=told, at=1.0)))).turns
    (step,) = turn.steps
    assert isinstance(step, bytes)
    assert len(step) == len(told) - len("key:A") + len(CANARY)
    assert base64.b64encode(CANARY.encode()) not in step
