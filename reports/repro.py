"""The command that runs one case again as it was run, quoted for a POSIX shell."""

import shlex
from collections.abc import Iterable, Iterator
from typing import Final

from tgi_conformance.contracts.verdict import RUN_WIDE, Verdict
from tgi_conformance.reports.run import Option, RunInfo

#: Options of pytest that the command line has under the same name; of the others it drops the prefix.
_SAME: Final = ("--tgi-endpoint",)
_PREFIX: Final = "--tgi-"
#: A run-wide ruling is shown by so many of the cases that it was seen in.
_CASES: Final = 3


def repro_command(info: RunInfo, verdict: Verdict) -> str:
    """``tgi-conformance run --backend SPEC … --case ID --seed N``, with all that makes the case what it is.

    For a ruling over a whole run, cases that it was seen in. For a test of the user's own, pytest's command.
    """
    options = list(_options(info, verdict))
    cases = [verdict.case]
    if verdict.breaches and verdict.case.endswith(f"/{RUN_WIDE}"):
        cases = list(dict.fromkeys(breach.case for breach in verdict.breaches))[:_CASES]
    if info.is_own_test(verdict):
        return shlex.join(["pytest", verdict.nodeid, *_words(options)])
    ours = [(_own_name(flag), value) for flag, value in options]
    named = [("--case", case) for case in cases]
    return shlex.join(["tgi-conformance", "run", *_words([*ours[:-1], *named, ours[-1]])])


def run_words(options: Iterable[Option]) -> list[str]:
    """``tgi-conformance run`` with the options of pytest that are given, as words."""
    return ["tgi-conformance", "run", *_words((_own_name(flag), value) for flag, value in options)]


def _options(info: RunInfo, verdict: Verdict) -> Iterator[Option]:
    backend = info.backend(verdict.backend)
    yield from backend.options or (("--tgi-backend", backend.spec or backend.name),)
    yield from info.options
    if backend.allow_network:
        yield "--tgi-allow-network", ""
    if info.profile != "default":
        yield "--tgi-profile", info.profile
    if verdict.real == "forwarded":
        yield from info.real_options
    yield "--tgi-seed", str(info.seed if verdict.seed is None else verdict.seed)


def _own_name(flag: str) -> str:
    return flag if flag in _SAME else f"--{flag.removeprefix(_PREFIX)}"


def _words(options: Iterable[Option]) -> Iterable[str]:
    """Each option as one word where its value could be taken for another option, else as two."""
    for flag, value in options:
        if value.startswith("-"):
            yield f"{flag}={value}"
        else:
            yield flag
            if value:
                yield value
