"""The states of a connection: tables that are whole, and a move they lack is a fault of the fake server."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from enum import IntEnum
from pathlib import Path

import pytest
from raw_http import Wire, request

from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.script import Script
from tgi_conformance.fake_server.client import FakeServer, Space, connections_closed
from tgi_conformance.fake_server.http1.states import ENDED, LEFT, LIFE, TURNS, Life, Turn

TABLES = {"life": (LIFE, Life.OPEN), "turns": (TURNS, Turn.BETWEEN)}
#: Runs a server from whose table of turns the move is missing with which an exchange ends.
DAMAGED = """
import sys
from tgi_conformance.fake_server.http1 import states
del states.TURNS[states.Turn.ANSWERING][states.TurnMove.FINISH]
from tgi_conformance.fake_server.service.process import main
sys.exit(main())
"""


def reachable(table: Mapping[IntEnum, Mapping[IntEnum, IntEnum]], start: IntEnum) -> set[IntEnum]:
    found, fresh = {start}, [start]
    while fresh:
        new = set(table[fresh.pop()].values()) - found
        found |= new
        fresh += new
    return found


@pytest.mark.parametrize("name", TABLES)
def test_every_state_has_a_row_and_can_be_reached(name: str) -> None:
    table, start = TABLES[name]
    assert set(table) == set(type(start))
    assert reachable(table, start) == set(table)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TABLES)
def test_every_move_is_one_of_some_state(name: str) -> None:
    table, _ = TABLES[name]
    moves = {move for row in table.values() for move in row}
    assert moves == set(type(next(iter(moves))))


def test_nothing_ended_is_opened_again_and_whoever_has_left_does_not_come_back() -> None:
    for state, row in LIFE.items():
        for after in row.values():
            assert state not in ENDED or after in ENDED | {Life.LOST}
            assert state not in LEFT or after in LEFT | {Life.LOST}
    assert LIFE[Life.LOST] == {}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    python = tmp_path_factory.mktemp("damaged") / "python"
    python.write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" -c \'{DAMAGED}\' "$@"\n')
    python.chmod(0o755)
    with FakeServer.start(str(python)) as server:
        yield server


def _one_answer(space: Space) -> Journal:
    with Wire(space.base_url) as wire:
        wire.send(request(headers={"connection": "close"}))
        wire.read_to_end()
    return space.wait(connections_closed(), 5)


def test_an_impossible_move_is_booked_as_a_fault_and_ends_that_connection_alone(damaged: FakeServer) -> None:
    with damaged.space(Script()) as space:
        first, again = _one_answer(space), _one_answer(space)
    assert first.faults == ("connection 0: FINISH while ANSWERING",)
    assert set(again.faults) == {*first.faults, "connection 1: FINISH while ANSWERING"}
    assert all(connection.closed_at is not None for connection in first.connections)


def test_a_sound_server_books_no_fault() -> None:
    with FakeServer.start() as server, server.space(Script()) as space:
        assert _one_answer(space).faults == ()


def test_a_case_that_meets_a_fault_of_the_fake_server_is_a_kit_fault(tmp_path: Path) -> None:
    start = """
import sys
from dataclasses import replace
import tgi_conformance.fake_server.client as client
plain = client._journal
client._journal = lambda value: replace(plain(value), faults=("connection 0: HOLD while READY",))
from tgi_conformance.cli import main
sys.exit(main())
"""
    words = ["run", "-n", "0", "--case", "REQ-06/native-one-string", "--results", str(tmp_path / "r")]
    done = subprocess.run(
        [sys.executable, "-c", start, *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 11, done.stdout
    assert "kit fault  REQ-06/native-one-string" in done.stdout
    assert "connection 0: HOLD while READY" in done.stdout
