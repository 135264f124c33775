"""The fake server against a genuine router: each recorded exchange again, errors to the byte."""

from collections.abc import Iterator
from typing import Final

import pytest
from recorded import Recording, load_recordings
from replaying import LIMITS, SETS, STATEFUL, agrees, replay, replay_raw, undated

from tgi_conformance.contracts.script import Generation, Reply, Script, Server
from tgi_conformance.fake_server.client import FakeServer, Space

#: What the fake does not do as the router does, each with its reason.
NOT_YET: Final[dict[str, str]] = {}

RECORDINGS: Final = [
    recording
    for recording in load_recordings()
    if not recording.case.startswith(STATEFUL) and recording.case not in NOT_YET
]


def test_every_exchange_but_the_stateful_ones_is_replayed() -> None:
    assert len(RECORDINGS) == 295
    assert {recording.set for recording in RECORDINGS} == set(SETS)


@pytest.fixture(scope="module")
def spaces() -> Iterator[dict[str, Space]]:
    with FakeServer.start() as server:
        opened = {}
        for name, flags in SETS.items():
            settings = Server(**{**LIMITS, **flags})  # type: ignore[arg-type]
            script = Script(server=settings, otherwise=Reply(tgi=Generation(toy=True)))
            opened[name] = server.space(script, keys={"A": "Sk-Test-KEY"})
        # The router took its time to answer; without that, an answer may be out before the client's FIN.
        slow = Reply(tgi=Generation(toy=True)).deliver(delay_ms=100)
        opened["slow"] = server.space(Script(server=Server(**LIMITS), otherwise=slow))  # type: ignore[arg-type]
        yield opened


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.case)
def test_the_fake_answers_as_the_router_did(recording: Recording, spaces: dict[str, Space]) -> None:
    space = spaces["slow" if recording.request.half_close else recording.set]
    if recording.request.raw is not None:
        assert undated(replay_raw(recording, space)) == undated(str(recording.facts["raw"]))
    else:
        agrees(recording, replay(recording, space))
