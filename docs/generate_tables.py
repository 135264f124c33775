"""Write the tables of the documentation that are made of the catalogue: ``python docs/generate_tables.py``.

A table stands between two comments in its page; ``--check`` writes nothing and exits with 1 where the page is
not up to date.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import Clause, load_catalogue
from tgi_conformance.contracts.catalogue.needs import BESIDE, GAPS

PAGE: Final = Path(__file__).with_name("clause-needs.md")
BEGIN: Final = "<!-- made by docs/generate_tables.py from contracts/catalogue/areas/*.toml -->"
END: Final = "<!-- end of what is made -->"
#: Marks a word that does not exist yet.
MARK: Final = "†"


def clause_table() -> str:
    """The clauses, what each needs, and the gaps."""
    lines = [*_clauses(load_catalogue()), "", *_beside(), "", *_gaps(load_catalogue())]
    return "\n".join(lines)


def _clauses(clauses: Iterable[Clause]) -> Iterator[str]:
    yield "| clause | methods | reads | script and stimuli |"
    yield "|---|---|---|---|"
    for clause in clauses:
        cells = (_shown(clause.methods), _shown(clause.fields), _shown(clause.script))
        yield f"| {clause.id} | {' | '.join(cells)} |"


def _shown(words: Iterable[str]) -> str:
    """Words grouped by their thing: ``error.kind, .status``."""
    groups: dict[str, list[str]] = {}
    for word in words:
        thing, _, _ = word.partition(".")
        groups.setdefault(thing, []).append(word)
    return " · ".join(_group(group) for group in groups.values())


def _group(words: list[str]) -> str:
    first, *more = words
    rest = (f", .{_marked(word).partition('.')[2]}" for word in more)
    return _marked(first) + "".join(rest)


def _marked(word: str) -> str:
    return f"{word}{MARK}" if word in GAPS else word


def _beside() -> Iterator[str]:
    yield "What no script holds:"
    yield ""
    for word, meaning in BESIDE.items():
        yield f"- `{word}`: {meaning}"


def _gaps(clauses: Iterable[Clause]) -> Iterator[str]:
    catalogue = list(clauses)
    if not GAPS:
        yield "There is no gap: every word exists."
        return
    yield f"Words with {MARK} do not exist yet:"
    yield ""
    for word, gap in GAPS.items():
        users = [c.id for c in catalogue if word in (*c.methods, *c.fields, *c.script)]
        yield f"- gap: `{word}`, {gap.what}; needed by {', '.join(users)}; arrives with {gap.arrives}"


def with_table(page: str) -> str:
    """The page with the table as it must be; raises ValueError where the comments are not in it."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"{PAGE.name} must hold {BEGIN!r} and {END!r} once each")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{clause_table()}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` say whether it is up to date."""
    page = PAGE.read_text(encoding="utf-8")
    right = with_table(page)
    if arguments == ["--check"]:
        sys.stdout.write("up to date\n" if page == right else f"run: python docs/{Path(__file__).name}\n")
        return int(page != right)
    PAGE.write_text(right, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
