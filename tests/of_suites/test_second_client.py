"""The differential pair: every property holds for a second client, which has nothing of the reference's.

A wrong generator or oracle shows as both clients failing; a property that only one fails speaks of that one.
"""

import json
from pathlib import Path

from kill_runs import run_quick

SECOND = Path(__file__).parents[1] / "second_client" / "second.py"


def test_every_property_holds_for_the_second_client(tmp_path: Path) -> None:
    results = tmp_path / "results"
    told = run_quick(f"{SECOND}:Second", results, "--case", "*/property*")
    assert told.code == 0, told.out
    lines = (results / "narrowed" / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    verdicts = [value for value in map(json.loads, lines) if "/property" in str(value.get("case"))]
    assert {verdict["ruling"] for verdict in verdicts} <= {
        "passed",
        "recorded",
        "not applicable",
        "not-applicable",
    }
    properties = {verdict["case"] for verdict in verdicts if verdict["ruling"] in ("passed", "recorded")}
    # It claims neither `cancel` nor `async`, and what the reference alone claims is little.
    assert len(properties) >= 100


def test_the_second_client_has_nothing_of_the_reference() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in SECOND.parent.glob("*.py"))
    assert "tgi_conformance" not in sources
    assert "httpx" not in sources
