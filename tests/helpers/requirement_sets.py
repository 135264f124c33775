"""The promise of a requirement set: what was green by it is green by it with the kit of today.

The reference is run as two shards that are merged, the Node example and two published clients as they are,
all by the oldest set. The first two keep every case of it. Of each published client, the cases that were
green with the kit that the set was made of are in ``tests/requirement_sets/``: not one of them may be red.

    python tests/requirement_sets.py
    python tests/requirement_sets.py --only huggingface_hub
    python tests/requirement_sets.py --record huggingface_hub --verdicts old/verdicts.jsonl --made-from TEXT

A published client is installed into an environment of its own, from the lock file beside its adapter, so this
needs a package index. ``tox -e sets`` runs it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from published_runs import client_named, environment, words_of
from suite_runs import ROOT, Verdict, told, verdicts_of

from tgi_conformance.contracts.requirements.sets import parse_set
from tgi_conformance.contracts.verdict import RED, Ruling

sys.path.append(str(ROOT / "docs"))

from generate_requirements import text_of

SET: Final = "2026-11"
RECORDED: Final = ROOT / "tests" / "requirement_sets"
#: Seconds after which a run is given up.
PATIENCE: Final = 900
GREEN: Final = frozenset({Ruling.PASSED, Ruling.ADVISORY, Ruling.RECORDED})
NODE: Final = ROOT / "docs" / "examples" / "node" / "adapter.mjs"

#: Runs a client in a folder; returns why there are no verdicts (empty: there are), and the verdicts.
Runs = Callable[[Path], tuple[str, list[Verdict]]]


def in_two_shards(folder: Path) -> tuple[str, list[Verdict]]:
    """Run the reference as two shards, and merge them."""
    for number in (1, 2):
        words = ["-n", "2", "--requirements", SET, "--shard", f"{number}/2"]
        problem, _ = verdicts_of(words, folder / str(number), patience=PATIENCE)
        if problem:
            return problem, []
    start = "import sys; from tgi_conformance.cli import main; sys.exit(main())"
    words = ["merge", str(folder / "1"), str(folder / "2"), "--results", str(folder / "all")]
    done = subprocess.run([sys.executable, "-c", start, *words], stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        return f"merge ended with exit code {done.returncode}", []
    lines = (folder / "all" / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    return "", [value for value in map(json.loads, lines) if "ruling" in value]


def node_example(folder: Path) -> tuple[str, list[Verdict]]:
    """Run the client in JavaScript."""
    words = ["-n", "2", "--requirements", SET, "--backend-command", f"node {NODE}"]
    return verdicts_of(words, folder, patience=PATIENCE)


@dataclass(frozen=True, slots=True)
class Published:
    """A client from a package index."""

    name: str

    def __call__(self, folder: Path) -> tuple[str, list[Verdict]]:
        """Install it, and run the first of its faces with the adapter that the kit has for it."""
        client = client_named(self.name)
        place = environment(client, folder / "client")
        words = ["-n", "2", "--requirements", SET, *words_of(client, client.faces[0], place)]
        return verdicts_of(words, folder / "results", patience=PATIENCE)


CLIENTS: Final[Mapping[str, Runs]] = {
    "reference": in_two_shards,
    "node": node_example,
    "huggingface_hub": Published("huggingface_hub"),
    "text_generation": Published("text_generation"),
}


def recorded(name: str) -> frozenset[str] | None:
    """The cases that were green; None: all that the client is judged by."""
    file = RECORDED / f"{name}.toml"
    return parse_set(name, file.read_text(encoding="utf-8")).cases if file.is_file() else None


def turned_red(verdicts: Sequence[Verdict], green: frozenset[str] | None) -> list[Verdict]:
    """The red verdicts on cases that were green, but for what a case blocks that was not green.

    Of a case that is blocked nothing is known: the client was red then, too, for what blocks it now.
    """
    red = [verdict for verdict in verdicts if verdict["ruling"] in RED]
    if green is None:
        return red
    return [verdict for verdict in red if verdict["case"] in green and _decides(verdict, green)]


def _decides(verdict: Verdict, green: frozenset[str]) -> bool:
    return verdict["ruling"] != Ruling.BLOCKED or verdict.get("blocked_by") in green


def problems_of(name: str, folder: Path) -> list[str]:
    """Run a client; what does not keep the promise, a line each."""
    problem, verdicts = CLIENTS[name](folder)
    if problem:
        return [problem]
    passed = sum(verdict["ruling"] in GREEN for verdict in verdicts)
    print(f"{name}: {passed} cases of {SET} are green", flush=True)
    return [told(verdict, folder) for verdict in turned_red(verdicts, recorded(name))]


def record(name: str, verdicts: Path, made_from: str) -> None:
    """Write the cases that were green in a run that was made with the kit of the set."""
    lines = verdicts.read_text(encoding="utf-8").splitlines()
    values = [value for value in map(json.loads, lines) if "ruling" in value]
    green = {str(value["case"]) for value in values if value["ruling"] in GREEN}
    head = f"# The cases that were green for {name}: clause, and the slugs of its cases. It is never edited."
    (RECORDED / f"{name}.toml").write_text(text_of(head, made_from, green), encoding="utf-8")


def main(words: Sequence[str] | None = None) -> int:
    """Do what the options ask for; returns 1 where a case turned red."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=list(CLIENTS), help="only this client")
    parser.add_argument("--record", metavar="NAME", help="write the green cases of --verdicts instead")
    parser.add_argument("--verdicts", type=Path, help="verdicts.jsonl of a run with the kit of the set")
    parser.add_argument("--made-from", default="", help="which run that was, in a sentence")
    given = parser.parse_args(words)
    if given.record:
        record(given.record, given.verdicts, given.made_from)
        return 0
    bad = 0
    with tempfile.TemporaryDirectory() as temporary:
        for name in given.only or CLIENTS:
            found = problems_of(name, Path(temporary) / name)
            print("\n".join(f"    {line}" for line in found or ["none turned red"]), flush=True)
            bad += bool(found)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
