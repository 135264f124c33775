"""Runs to make report pages of: green, 156 red, everything red, hostile, 10,000 cases.

Their verdicts are made up; what evidence they have was recorded from real red runs, with ids and ports
changed from case to case as they are in a real run, so that a page's size is not flattered.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from verdict_builder import evidence, run_of, verdict

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.codec import from_json
from tgi_conformance.contracts.verdict import Evidence, Ruling, Sign, Verdict
from tgi_conformance.reports.evidence_files import read_evidence
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.run_folder import write_all, write_evidence

RECORDED: Final = Path(__file__).parents[1] / "of_reports" / "recorded_evidence"
#: Cases of a whole run, and how many of them a published client failed.
CASES: Final = 1_500
RED: Final = 156
MANY: Final = 10_000
#: What a backend could say to break a page, a terminal or a reader's eyes.
HOSTILE: Final = (
    "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'></template></pre></svg>"
    "<style>*{display:none}</style><!-- ]]> \" ' & \x00\x1b[31m\x1b]0;owned\x07\x7f\ud800\ufffe\u2028"
    "\u202egnirts\u2066 javascript:window.hacked=1 {{ 7*7 }} {% raw %} ${7*7} é 🙂"
)

_EXCEPTIONS: Final = (
    "json.decoder.JSONDecodeError",
    "KeyError",
    "httpx.RemoteProtocolError",
    "AttributeError",
)
_OUTCOMES: Final = ("text differs", "silent end", "requests too many", "too early", "hang")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PORT: Final = re.compile(r"127\.0\.0\.1:\d+")


def green(_: Path) -> Run:
    """A whole run of a backend that is right."""
    return run_of(*(verdict(name, duration=0.1) for name in _names(CASES)))


def few(folder: Path) -> Run:
    """A run of every ruling, small enough to be looked at whole."""
    rulings = [verdict(f"MUX-01/{number}", ruling, reason="why") for number, ruling in enumerate(Ruling)]
    return run_of(*rulings, *_some_red(folder, 40, 8, causes=3))


def red(folder: Path) -> Run:
    """A published client's run: 156 of 1,500 cases red, of a dozen causes."""
    return run_of(*_some_red(folder, CASES, RED, causes=12))


def all_red(folder: Path) -> Run:
    """Nothing works, in sixty ways."""
    return run_of(*_some_red(folder, CASES, CASES, causes=60))


def many(folder: Path) -> Run:
    """10,000 cases, every tenth red."""
    return run_of(*_some_red(folder, MANY, MANY // 10, causes=30))


def hostile(folder: Path) -> Run:
    """A backend whose every text is an attack, and megabytes of it."""
    long = HOSTILE + "A" * 3_000_000 + "\u202e" * 1000
    name = write_evidence(folder, replace(evidence("STREAM-12/wire", text=HOSTILE), output=long), {})
    texts = {"reason": HOSTILE, "expected": HOSTILE, "observed": long, "record": HOSTILE}
    signed = Sign(exception=HOSTILE, place=HOSTILE, stimulus=HOSTILE)
    shown = verdict("STREAM-12/wire", Ruling.FAILED, evidence=name, sign=signed, **texts)
    rest = [verdict(f"GEN-01/{number}", ruling, **texts) for number, ruling in enumerate(Ruling)]
    return run_of(shown, *rest, selection=HOSTILE, command=HOSTILE)


KINDS: Final[Mapping[str, Callable[[Path], Run]]] = {
    "green": green,
    "few": few,
    "red": red,
    "all-red": all_red,
    "hostile": hostile,
    "many": many,
}


def write(kind: str, folder: Path) -> Path:
    """Write all files of a run of that kind; returns its page."""
    folder.mkdir(parents=True, exist_ok=True)
    write_all(KINDS[kind](folder), folder)
    return folder / "report.html"


def _names(count: int) -> Iterator[str]:
    clauses = [clause.id for clause in load_catalogue()]
    for number in range(count):
        yield f"{clauses[number * len(clauses) // count]}/chat-stream-{number % 97}-after-event-{number}"


def _some_red(folder: Path, count: int, bad: int, *, causes: int) -> Iterator[Verdict]:
    lot = random.Random(7)  # noqa: S311 - the same pages each time
    recorded = [read_evidence(path) for path in sorted(RECORDED.glob("*.json"))]
    every = count // bad
    for number, name in enumerate(_names(count)):
        if number % every or number // every >= bad:
            yield verdict(name, duration=0.1)
        else:
            sign = _sign(number // every % causes)
            shown = sign.outcome or sign.exception
            kept = _another(recorded[number % len(recorded)], name, lot)
            yield verdict(
                name,
                Ruling.FAILED,
                sign=sign,
                reason=f"expected the {number} events of the stream, as sent; observed {shown}",
                expected=f"the {number} events of the stream, as sent, and a normal end after the last",
                observed=f"stream of {number % 9} pieces ' Deep learning is fun' and {shown}",
                evidence=write_evidence(folder, kept, {}),
                duration=0.25,
            )


def _sign(number: int) -> Sign:
    stimulus = f"stimulus-{number}"
    if number % 2:
        return Sign(outcome=_OUTCOMES[number % len(_OUTCOMES)], stimulus=stimulus)
    place = f"client/stream.py:{100 + number} in read"
    return Sign(exception=_EXCEPTIONS[number % len(_EXCEPTIONS)], place=place, stimulus=stimulus)


def _another(kept: Evidence, name: str, lot: random.Random) -> Evidence:
    """The same evidence as another run of another case would have left it."""
    text = json.dumps({"case": name, "backend": "alpha", "spaces": kept.spaces, "calls": kept.calls})
    text = _UUID.sub(lambda _: f"{lot.getrandbits(128):032x}", text)
    text = _PORT.sub(lambda _: f"127.0.0.1:{lot.randrange(1024, 65536)}", text)
    return replace(from_json(Evidence, json.loads(text)), longrepr=kept.longrepr, output=kept.output)
