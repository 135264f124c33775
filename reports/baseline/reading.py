"""Reads a baseline, and says of each mistake where it is and what to write. Pure."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, TypeAlias

from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.reports.baseline.blocks import Block, blocks_of
from tgi_conformance.reports.baseline.entry import CLAIMS, EXPECTED, Baseline, BaselineError, Claims, Entry

_KEYS: Final = (
    "cases",
    "cause",
    "count",
    "failure",
    "pattern",
    "reason",
    "link",
    "expires",
    "since",
    "backend",
)
_TEXTS: Final = ("cause", "failure", "pattern", "reason", "link", "backend")
_LINK: Final = re.compile(r"https?://\S+")
#: A line of the file, and what is wrong there.
_Problem: TypeAlias = tuple[int, str]


def read_baseline(text: str, file: str, *, drafts: bool = False) -> Baseline:
    """The baseline in a text; ``file`` is how it is named.

    ``drafts``: reasons and links may be empty still, as ``baseline update`` writes them. Raises
    :class:`BaselineError` with every problem that there is.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BaselineError((f"{file}: not TOML: {error}",)) from error
    blocks = blocks_of(text)
    problems = [(_line(blocks, name), said) for name, said in _unknown_tables(tables)]
    claims, wrong = _claims(tables.get(CLAIMS), blocks)
    rows, misplaced = _rows(tables.get(EXPECTED, []), blocks)
    problems += (*wrong, *misplaced)
    entries: list[Entry] = []
    for block, row in rows:
        reader = _Row(row=row, block=block, backends=tuple(claims), drafts=drafts)
        reader.look()
        problems += reader.problems
        if not reader.problems:
            entries.append(reader.entry())
    if problems:
        raise BaselineError(tuple(f"{file}:{line}: {said}" for line, said in sorted(problems)))
    return Baseline(file=file, claims=claims, entries=tuple(entries))


def _claims(claims: object, blocks: Sequence[Block]) -> tuple[Mapping[str, Claims], list[_Problem]]:
    block = next((block for block in blocks if block.name == CLAIMS), None)
    if block is None or not isinstance(claims, dict):
        said = '[claims] is missing: write what each backend claims, as my-client = ["core", "chat"] under it'
        return {}, [(1, said)]
    wrong = [
        (block.line_of(name), said) for name, value in claims.items() if (said := _wrong_claims(name, value))
    ]
    if wrong:
        return {}, wrong
    return {
        name: Claims(line=block.line_of(name), capabilities=tuple(value)) for name, value in claims.items()
    }, []


def _rows(
    rows: object, blocks: Sequence[Block]
) -> tuple[list[tuple[Block, Mapping[str, Any]]], list[_Problem]]:
    """Each entry with its place in the file."""
    placed = [block for block in blocks if block.name == EXPECTED]
    if not isinstance(rows, list) or len(placed) != len(rows):
        said = "write each expected failure as a table of its own, under [[expected]]"
        return [], [(_line(blocks, EXPECTED), said)]
    return list(zip(placed, rows, strict=True)), []


def _line(blocks: Sequence[Block], name: str) -> int:
    named = (block.line for block in blocks if block.name == name)
    return next(named, blocks[0].line_of(name))


def _unknown_tables(tables: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name in tables:
        if name not in (CLAIMS, EXPECTED):
            yield name, f"{name!r} is not known: a baseline has [claims] and [[expected]]"


def _wrong_claims(name: str, value: object) -> str:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return f'the claims of {name} must be a list of capabilities, as ["chat", "stream"]'
    if unknown := sorted(set(value) - set(CAPABILITIES)):
        return f"{name} claims {unknown[0]!r}; the capabilities are {', '.join(CAPABILITIES)}"
    return ""


@dataclass(slots=True, kw_only=True)
class _Row:
    """One entry as TOML has it; collects what is wrong with it."""

    row: Mapping[str, Any]
    block: Block
    backends: tuple[str, ...]
    drafts: bool
    problems: list[_Problem] = field(default_factory=list)

    def look(self) -> None:
        """Find all that is wrong."""
        for key in self.row:
            if key not in _KEYS:
                self._wrong(key, f"{key!r} is not known; an entry has {', '.join(_KEYS)}")
        for key in _TEXTS:
            if key in self.row and not isinstance(self.row[key], str):
                self._wrong(key, f'{key} must be a text: write {key} = "..."')
        self._look_at_cases()
        self._look_at_failure()
        self._look_at_reason()
        self._look_at_dates()
        backend = self.row.get("backend", "")
        if backend and backend not in self.backends:
            known = ", ".join(self.backends) or "none"
            self._wrong("backend", f"backend {backend!r} is not in [claims], which has {known}")

    def entry(self) -> Entry:
        """The entry, once nothing is wrong with it."""
        given = {key: self.row[key] for key in (*_TEXTS, "count", "expires", "since") if key in self.row}
        return Entry(line=self.block.line, cases=_cases(self.row.get("cases", ())), **given)

    def _wrong(self, key: str, said: str) -> None:
        self.problems.append((self.block.line_of(key), said))

    def _look_at_cases(self) -> None:
        cases, cause, count = (self.row.get(key) for key in ("cases", "cause", "count"))
        if bool(cases) == bool(cause):
            self._wrong("cases", 'write either cases = ["STREAM-12/*"] or cause = "the id of a cause"')
            return
        if cases and not all(isinstance(each, str) and each for each in _cases(cases)):
            self._wrong("cases", 'cases must be a name or a list of names, as ["STREAM-12/*"]')
        if cause and not _is_count(count):
            self._wrong("count", "count is missing: write how many cases of the cause fail, as count = 7")
        if cases and count is not None:
            self._wrong("count", "count goes with cause: the names in cases are counted anyway")

    def _look_at_failure(self) -> None:
        failure, pattern = self.row.get("failure"), self.row.get("pattern")
        if failure and pattern:
            self._wrong("pattern", "write failure or pattern, not both")
        elif not (failure or pattern) and self.row.get("cases"):
            self._wrong(
                "failure",
                'failure is missing: write a part of what is observed, as failure = "hang", or a pattern',
            )
        if isinstance(pattern, str):
            try:
                re.compile(pattern)
            except re.error as error:
                self._wrong("pattern", f"pattern is no regular expression: {error}")

    def _look_at_reason(self) -> None:
        if self.drafts:
            return
        if not str(self.row.get("reason", "")).strip():
            self._wrong("reason", 'reason is missing: write why the failure is accepted, as reason = "..."')
        if not _LINK.fullmatch(str(self.row.get("link", ""))):
            self._wrong("link", 'link is missing: write where it is tracked, as link = "https://..."')

    def _look_at_dates(self) -> None:
        for key in ("expires", "since"):
            given = self.row.get(key)
            if key == "since" and given is None:
                continue
            if not isinstance(given, date) or isinstance(given, datetime):
                word = "is missing" if given is None else "must be a date"
                self._wrong(key, f"{key} {word}: write a date without quotes, as {key} = 2027-03-31")


def _cases(given: object) -> tuple[Any, ...]:
    return (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else ()


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
