"""A backend that declares that it trims is not blamed for the white space around streams and answers."""

import json
from pathlib import Path

from kill_runs import run_quick

ADAPTERS = Path(__file__).parents[1] / "strangers" / "adapters.py"
CASES = (
    "STREAM-09/*",
    "STREAM-11/recorded-*",
    "STREAM-12/chat-*",
    "STREAM-20/*",
    "STREAM-26",
    "RETRY-11/*",
    "REAL-02/*",
)


def test_a_trimmed_stream_is_the_text_that_was_sent(tmp_path: Path) -> None:
    words = [word for case in CASES for word in ("--case", case)]
    told = run_quick(f"{ADAPTERS}:second_trims", tmp_path / "results", *words, narrowed=True)
    assert told.code == 0, told.out
    lines = (tmp_path / "results" / "narrowed" / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    ruled = [value["ruling"] for value in map(json.loads, lines) if "ruling" in value]
    assert ruled.count("passed") > 25
