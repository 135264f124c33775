"""The bytes of content codings, and a right client that offers some: nothing of it may be red."""

import json
import zlib
from pathlib import Path

import pytest
from kill_runs import run_quick

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.suites.areas.codings import CODINGS, coded, offered

CLIENT = Path(__file__).parents[1] / "mutants" / "resp_codings.py"
PARTS = (b"data: one\n\n", b"x")


@pytest.mark.parametrize(("coding", "wbits"), [("gzip", 16 + zlib.MAX_WBITS), ("deflate", zlib.MAX_WBITS)])
def test_each_part_can_be_undone_before_the_next_is_there(coding: str, wbits: int) -> None:
    undo = zlib.decompressobj(wbits)
    assert tuple(undo.decompress(part) for part in coded(coding, PARTS)) == PARTS
    assert undo.eof


@pytest.mark.parametrize(
    ("coding", "parts"),
    [
        ("br", (b"\xa0\x00\x10data: one\n\n", b"\x00\x00\x08x\x03")),
        ("zstd", (b"\x28\xb5\x2f\xfd\x00\x38\x58\x00\x00data: one\n\n", b"\x08\x00\x00x\x01\x00\x00")),
    ],
)
def test_stored_blocks_are_those_that_the_libraries_undo(coding: str, parts: tuple[bytes, ...]) -> None:
    """Undone part by part with Brotli 1.2 and zstandard 0.25, which are no dependencies of the kit."""
    assert coded(coding, PARTS) == parts


def test_a_part_that_no_block_holds_is_a_mistake_of_the_case() -> None:
    with pytest.raises(ValueError, match="1 to 65536 bytes"):
        coded("br", [b"x" * 65_537])


@pytest.mark.parametrize(
    ("lines", "codings"),
    [
        ((), set()),
        (("identity",), set()),
        (("gzip, deflate;q=0.5",), {"gzip", "deflate"}),
        (("GZIP;q=1.0", "br;q=0, zstd; q=0.001"), {"gzip", "zstd"}),
        (("br;q=0.000",), set()),
    ],
)
def test_a_coding_is_offered_by_its_name_and_a_weight_above_nothing(
    lines: tuple[str, ...], codings: set[str]
) -> None:
    sent = Exchange(
        id=1,
        connection=1,
        method="POST",
        target="/",
        headers=tuple(("accept-encoding", line) for line in lines),
    )
    assert offered(sent) & set(CODINGS) == codings


def test_a_client_that_undoes_what_it_offers_is_right(tmp_path: Path) -> None:
    words = [word for case in ("RESP-11/cod*", "STREAM-20/gzip-*") for word in ("--case", case)]
    told = run_quick(f"{CLIENT}:UndoesCodings", tmp_path / "results", *words, narrowed=True)
    assert told.code == 0, told.out
    lines = (tmp_path / "results" / "narrowed" / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    ruled = {value["case"]: value["ruling"] for value in map(json.loads, lines) if "ruling" in value}
    judged = [ruling for case, ruling in ruled.items() if case.startswith(("RESP-11/", "STREAM-20/"))]
    assert judged == ["passed"] * 11
