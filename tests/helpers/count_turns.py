"""Counts what each case makes one after the other, and writes ``suites/harness/turns.json``.

Three runs of profile quick tell it: of the reference, and of the two faces of it that take 1.2 s before each
call and before each endpoint. What a case took longer is its turns::

    cd tests/adapters
    tgi-conformance run --profile quick --results fast
    tgi-conformance run --profile quick --results calls --backend slow_reference.py:BeforeCalls
    tgi-conformance run --profile quick --results ends --backend slow_reference.py:BeforeEndpoints
    python ../helpers/count_turns.py fast calls ends

A case that was left out for time keeps its row: raise ``time_budget.ROOM`` to count all anew. The first case
of a worker that needs a probe of the client pays for it too: where both counts of a row grew by as much as
the probes of a shape make together, it was that, and the row stays.
"""

import json
import sys
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).resolve().parents[2] / "suites" / "harness" / "turns.json"
#: Seconds that the slow faces take.
SECONDS: Final = 1.2
#: Calls, and endpoints, that the probes of one shape make at least.
PROBES: Final = 6


def durations(folder: Path) -> dict[str, float]:
    """Seconds of each case of a run that was decided."""
    lines = (folder / "quick" / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    verdicts = [verdict for verdict in map(json.loads, lines) if verdict["ruling"] in ("passed", "recorded")]
    own = (verdict for verdict in verdicts if not verdict["case"].endswith("/run-wide"))
    return {verdict["case"]: verdict.get("duration", 0.0) for verdict in own}


def turns(fast: float, slow: float) -> int:
    """How often the slow face took its time."""
    return max(0, round((slow - fast) / SECONDS))


def main(fast: Path, calls: Path, ends: Path) -> None:
    """Write the table."""
    base, with_calls, with_ends = map(durations, (fast, calls, ends))
    table = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    for case in base.keys() & with_calls.keys() & with_ends.keys():
        counted = [turns(base[case], with_calls[case]), turns(base[case], with_ends[case])]
        if not all(now - then >= PROBES for now, then in zip(counted, table.get(case, counted), strict=True)):
            table[case] = counted
    rows = ",\n".join(f"  {json.dumps(case)}: {json.dumps(table[case])}" for case in sorted(table))
    TABLE.write_text(f"{{\n{rows}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
