"""Backends that are wrong altogether: a red run that ends soon, with a report that says why.

Run in profile quick; docs/cli.md gives the times of whole runs.
"""

from pathlib import Path

import pytest
from kill_runs import FOLDER, run_quick
from report_page import unfolded

from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS

#: Backend -> what the probe must have seen of it.
SEEN = {
    "EmptyString": "where the server answered",
    "Raises": "this backend never works",
    "Hangs": "no answer within 10 s",
    "Exits": "ended with status 3",
}


@pytest.mark.parametrize("name", sorted(SEEN))
def test_each_key_is_failed_and_the_report_says_why(name: str, tmp_path: Path) -> None:
    told = run_quick(f"{FOLDER / 'whole.py'}:{name}", tmp_path / "results", timeout=120)
    assert told.code == 1, told.out
    assert {key: told.results.get(key) for key in RESULTS_KEYS} == dict.fromkeys(RESULTS_KEYS, "Failed")
    page = unfolded((tmp_path / "results" / "quick" / "report.html").read_text(encoding="utf-8"))
    reasons = {str(v["reason"]) for v in told.verdicts if v["ruling"] == "failed"}
    for text in (" ".join(told.out.split()), page, "\n".join(reasons)):
        assert "backend does not answer (probe" in text
        assert SEEN[name] in text
