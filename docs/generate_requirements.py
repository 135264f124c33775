"""Write a requirement set, ``contracts/requirements/NAME.toml``.

``python docs/generate_requirements.py NAME --cases LIST --stood RUN --made-from TEXT``: LIST is what
``tgi-conformance list --cases --json`` printed. RUN is ``verdicts.jsonl`` of a run of the soak: a case that
it did not have has not stood yet, and waits for the next set. A set that exists is never written over.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.requirements.sets import parse_set
from tgi_conformance.reports.verdict_lines import read_verdicts

FOLDER: Final = Path(__file__).parents[1] / "contracts" / "requirements"
_WIDTH: Final = 110


def text_of(head: str, made_from: str, cases: Iterable[str]) -> str:
    """A file of cases: a line a clause, in the order of the catalogue, with the slugs of its cases."""
    slugs: dict[str, list[str]] = {}
    for case in sorted(cases):
        clause, _, slug = case.partition("/")
        slugs.setdefault(clause, []).append(slug)
    order = {clause.id: number for number, clause in enumerate(load_catalogue())}
    lines = [head, f"made_from = {json.dumps(made_from)}", "", "[cases]"]
    for clause in sorted(slugs, key=lambda clause: (order.get(clause, len(order)), clause)):
        lines += _entry(clause, slugs[clause])
    return "\n".join(lines) + "\n"


def _entry(clause: str, slugs: Sequence[str]) -> Iterator[str]:
    line = f'{clause} = "{" ".join(slugs)}"'
    if len(line) <= _WIDTH:
        yield line
        return
    yield f'{clause} = """'
    yield from textwrap.wrap(
        " ".join(slugs), _WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )
    yield '"""'


def stood(listing: Path, run: Path) -> frozenset[str]:
    """The cases of a listing that a run had, with the rulings that it made over all its cases."""
    listed = {case for clause in json.loads(listing.read_text("utf-8")) for case in clause.get("cases", ())}
    ran = read_verdicts(run).verdicts
    return frozenset(verdict.case for verdict in ran if verdict.case in listed or not verdict.nodeid)


def main(arguments: Sequence[str]) -> int:
    """Write the file, unless it is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name")
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--stood", type=Path, required=True)
    parser.add_argument("--made-from", required=True)
    given = parser.parse_args(arguments)
    target = FOLDER / f"{given.name}.toml"
    if target.exists():
        sys.stderr.write(f"{target} is published and stays as it is; choose another name\n")
        return 1
    cases = stood(given.cases, given.stood)
    head = f"# Requirement set {given.name}: clause, and the slugs of its cases. Frozen: it is never edited."
    text = text_of(head, given.made_from, cases)
    if parse_set(given.name, text).cases != cases:
        raise ValueError("a slug with a space in it cannot be in a set")
    target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
