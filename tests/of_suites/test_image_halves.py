"""Images by their URL and images as bytes are claims of their own."""

import json
from pathlib import Path

from kill_runs import run_quick

ADAPTER = Path(__file__).parents[1] / "adapters" / "images_by_url.py"


def test_a_client_that_takes_no_bytes_is_judged_on_what_it_takes(tmp_path: Path) -> None:
    told = run_quick(f"{ADAPTER}:ImagesByUrl", tmp_path / "results", "--case", "IMG-*")
    assert told.code == 0, told.out
    lines = (tmp_path / "results" / "narrowed" / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    ruled = {value["case"]: value["ruling"] for value in map(json.loads, lines) if "case" in value}
    assert ruled["IMG-01/data-url"] == ruled["IMG-01/property-p05"] == "passed"
    assert ruled["IMG-01/bytes"] == ruled["IMG-02/57"] == "not applicable"
