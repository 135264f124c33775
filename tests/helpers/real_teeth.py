"""Whether the forwarded cases have teeth: each mutant whose clause is forwarded, run against a real endpoint.

The endpoint is the toy model of a second fake server, for which two keys are given. A mutant is run on the
forwarded cases of the clause that it breaks, and nothing else::

    python tests/helpers/real_teeth.py --jobs 4

Prints a line for each, and the clauses none of whose mutants was caught. The exit code is 1 where there are
any.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from subprocess import TimeoutExpired

from kill_runs import Mutant, Told, mutants, run_quick
from suite_runs import as_they_end

from tgi_conformance.fake_server.client import FakeServer
from tgi_conformance.suites.real.table import forwarded_cases

STATE = Path("collected_results") / "real_teeth"
#: The toy takes any key; clauses about several endpoints need two.
KEYS = {"HF_API_KEY": "hf_of_the_first_endpoint", "HF_API_KEY_1": "hf_of_the_second_endpoint"}


def by_clause() -> Mapping[str, Sequence[str]]:
    """The forwarded cases of each clause."""
    found: dict[str, list[str]] = defaultdict(list)
    for case in sorted(forwarded_cases()):
        found[case.partition("/")[0]].append(case)
    return found


def run(mutant: Mutant, cases: Sequence[str], url: str, folder: Path) -> tuple[Mutant, str]:
    """Run one mutant; gives what came of it: ``caught``, ``passed``, or why nothing can be said."""
    words = [f"--case={case}" for case in cases]
    bounds = ["--max-requests", "1000", "--max-tokens", "100000", "--enforce", "should"]
    try:
        told = run_quick(mutant.spec, folder, *words, "--tgi-endpoint", url, *bounds, narrowed=True)
    except TimeoutExpired:
        return mutant, "no end"
    return mutant, _came(told, mutant)


def _came(told: Told, mutant: Mutant) -> str:
    forwarded = [verdict for verdict in told.verdicts if verdict.get("real") == "forwarded"]
    rulings = {str(verdict["ruling"]) for verdict in forwarded}
    if mutant.breaks in told.mute or "failed" in rulings:
        return "caught"
    return "passed" if rulings & {"passed", "advisory"} else f"undecided ({', '.join(sorted(rulings))})"


def main(words: Sequence[str] | None = None) -> int:
    """Run the mutants and print what came of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="runs at a time (4)")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="clauses, as 'MUX-*'")
    given = parser.parse_args(words)
    os.environ.update(KEYS)
    cases = {clause: found for clause, found in by_clause().items() if fnmatchcase(clause, given.only)}
    todo = [mutant for mutant in mutants() if mutant.breaks in cases]
    caught: dict[str, bool] = {}
    STATE.mkdir(parents=True, exist_ok=True)
    with FakeServer.start() as toy, ThreadPoolExecutor(given.jobs) as pool:
        one = partial(_one, cases=cases, url=toy.base_url)
        for number, (mutant, came) in enumerate(as_they_end(one, [(pool, m) for m in todo]), 1):
            caught[mutant.breaks] = caught.get(mutant.breaks, False) or came == "caught"
            print(f"[{number}/{len(todo)}] {mutant.id:40} {mutant.breaks:9} {came}", flush=True)
    blunt = sorted(clause for clause, bites in caught.items() if not bites)
    without = sorted(set(cases) - set(caught))
    print(f"\n{sum(caught.values())} of {len(cases)} forwarded clauses caught a mutant of theirs")
    print(f"none of theirs: {' '.join(blunt) or 'none'}; no mutant: {' '.join(without) or 'none'}")
    return 1 if blunt else 0


def _one(mutant: Mutant, *, cases: Mapping[str, Sequence[str]], url: str) -> tuple[Mutant, str]:
    return run(mutant, cases[mutant.breaks], url, STATE / mutant.id.replace(":", "."))


if __name__ == "__main__":
    sys.exit(main())
