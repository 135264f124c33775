"""Finds the cases that a real endpoint can decide, and writes ``suites/real/forwarded.json``.

Every case is run with its healthy replies forwarded to the toy model of a second fake server, whose texts
no script says. What passes there although nothing of the answer is as scripted asserts on the request, on
counts and order, or on what came. Of these, one a clause and call shape is written down, the one that is
likeliest to fail::

    python tests/helpers/forwarded_cases.py

That they have teeth is shown by ``real_teeth.py``.
"""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from tgi_conformance.cli.pytest_arguments import Choice, arguments, own_environment
from tgi_conformance.contracts.verdict import DECIDED, RED, Ruling
from tgi_conformance.fake_server.client import FakeServer
from tgi_conformance.plugin import cases
from tgi_conformance.plugin.collection import WAYS_TRIED
from tgi_conformance.plugin.judging import VERDICT_ATTRIBUTE
from tgi_conformance.plugin.locks import share_of
from tgi_conformance.plugin.quick.choice import Candidate, rank
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.session import CASE_ID
from tgi_conformance.suites.real.table import Where, one_each

TABLE: Final = Path(__file__).resolve().parents[2] / "suites" / "real" / "forwarded.json"
#: A case that asks for more is too dear for the default budget.
DEAREST: Final = 6


class Watching:
    """A pytest plugin that counts what each case forwards, and takes its verdict."""

    def __init__(self) -> None:
        self.forwarded: Counter[str] = Counter()
        self.rulings: dict[str, str] = {}
        self.items: dict[str, pytest.Item] = {}

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = {item.stash[CASE_ID].text: item for item in session.items if CASE_ID in item.stash}

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        line = getattr(report, VERDICT_ATTRIBUTE, None)
        if isinstance(line, str):
            value: dict[str, Any] = json.loads(line)
            self.rulings[value["case"]] = value["ruling"]


def main() -> int:
    """Run all cases and write the table; returns pytest's code where the run broke down."""
    watching = Watching()
    finish = Case.finish

    def finished(case: Case) -> None:
        count = sum(each.answer is not None for journal in case.journals() for each in journal)
        watching.forwarded[case.record.case] = max(count, watching.forwarded[case.record.case])
        finish(case)

    Case.finish = finished  # type: ignore[method-assign]
    cases.where = lambda _: Where.FORWARDED  # type: ignore[attr-defined]
    # Two keys, so that what needs several is not left out.
    os.environ |= {"HF_API_KEY": "hf_of-the-first", "HF_API_KEY_1": "hf_of-the-second"}
    with FakeServer.start() as toy, own_environment():
        choice = Choice(
            tgi_endpoint=toy.base_url,
            max_requests=10**6,
            max_tokens=10**9,
            results="collected_results/forwarded",
            evidence=None,
        )
        code = pytest.main([*arguments(choice), "-q"], plugins=[watching])
    print(Counter(watching.rulings.values()))
    counts = Path("collected_results", "forwarded", "requests.json")
    counts.write_text(json.dumps(watching.forwarded, indent=1) + "\n", encoding="utf-8")
    if code not in (0, 1):
        return int(code)
    good = [
        Candidate(case=item.stash[CASE_ID], backend="", ways=item.stash.get(WAYS_TRIED, frozenset()))
        for case, item in watching.items.items()
        if watching.rulings.get(case) in DECIDED - RED - {Ruling.ADVISORY}
        and 0 < watching.forwarded[case] <= DEAREST
        and share_of(item) != "alone"
    ]
    # As profile quick has it: of each clause the case that is likeliest to fail comes first.
    good.sort(key=lambda each: (each.case.clause, rank(each), each.case.text))
    chosen = sorted(one_each((each.case.text, each.ways) for each in good))
    TABLE.write_text(json.dumps(chosen, indent=1) + "\n", encoding="utf-8")
    clauses = {case.partition("/")[0] for case in chosen}
    requests = sum(watching.forwarded[case] for case in chosen)
    print(f"{len(chosen)} cases of {len(clauses)} clauses, {requests} requests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
