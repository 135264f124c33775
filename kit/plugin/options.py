"""The plugin's command line options, as one table; nothing heavy is imported here."""

from collections.abc import Mapping, Sequence
from typing import Final

import pytest

DEFAULT_SEED: Final = 20_26_11_24
DEFAULT_RESULTS: Final = "collected_results"
REFERENCE: Final = "tgi_conformance.backends.reference.adapter:ReferenceAdapter"

#: The variable that asks for a run against a real endpoint.
ENDPOINT_VARIABLE: Final = "TGI_ENDPOINT"
ENDPOINT_UNUSABLE: Final = 14
#: What ``--tgi-baseline`` takes for no baseline, whatever the working folder has.
BASELINE_NONE: Final = "none"
#: Exit code of a run whose backend does not start or describe itself.
BACKEND_DOWN: Final = 12

Keywords = Mapping[str, object]

#: Flag -> keywords of ``addoption``. Each default is "not given", so that it shows whether a flag was used.
OPTIONS: Final[Mapping[str, Keywords]] = {
    "--tgi-backend": {
        "action": "append",
        "metavar": "SPEC",
        "help": "adapter under test: mypkg.adapter:MyAdapter or path/to/adapter.py:MyAdapter; repeatable "
        "(default: the reference backend)",
    },
    "--tgi-backend-python": {"metavar": "PATH", "help": "Python interpreter for the backend's process"},
    "--tgi-backend-command": {
        "metavar": "CMD",
        "help": 'command of an adapter host in another language: "node adapter.mjs"',
    },
    "--tgi-backend-env": {
        "action": "append",
        "metavar": "NAME[=VALUE]",
        "help": "hand this variable on to the backend's process; repeatable; keys are never handed on",
    },
    "--tgi-allow-network": {
        "action": "store_true",
        "default": False,
        "help": "let the backend leave this machine, unjudged",
    },
    "--tgi-profile": {
        "choices": ("default", "thorough", "quick", "tgi-guide"),
        "help": "how much to test; quick: one case per clause; tgi-guide: all 22 keys are required",
    },
    "--tgi-seed": {
        "metavar": "N|random",
        "help": f"seed of properties, chaos and canary keys (default {DEFAULT_SEED})",
    },
    "--tgi-requirements": {
        "metavar": "SET",
        "help": "judge by the cases of a frozen requirement set, such as 2026-12; others run and are listed",
    },
    "--tgi-server": {
        "metavar": "NAME",
        "help": "play another server generation: tgi-2, tgi-1.4, openai-proxy or hosted-router "
        "(default: tgi-3.3)",
    },
    "--tgi-shard": {
        "metavar": "N/COUNT",
        "help": "run this part of the cases only, such as 2/4; tgi-conformance merge puts the parts together",
    },
    "--tgi-budget-seconds": {
        "type": float,
        "metavar": "S",
        "help": "end the run within so many seconds; cases that had no turn make it end with 13",
    },
    "--tgi-results": {
        "metavar": "DIR",
        "help": f"folder for the reports (default {DEFAULT_RESULTS})",
    },
    "--tgi-case": {
        "action": "append",
        "metavar": "ID",
        "help": "run only this clause or case, such as RETRY-03 or 'STREAM-12/*'; repeatable",
    },
    "--tgi-rerun": {
        "action": "append",
        "metavar": "ID",
        "help": "as --tgi-case, for a case of an earlier run: one that is gone is a remark; repeatable",
    },
    "--tgi-focus": {
        "action": "append",
        "metavar": "CLAUSE",
        "help": "with profile quick: run all cases of this clause: STREAM-12 or 'RETRY-*'; repeatable",
    },
    "--tgi-renew": {
        "action": "store_true",
        "default": False,
        "help": "bring the results map of the whole run up to date with what this run decides",
    },
    "--tgi-order": {
        "choices": ("longest", "random"),
        "help": "longest: cases that took longest last time first (default); random: shuffled by the seed",
    },
    "--tgi-inproc": {
        "action": "store_true",
        "default": False,
        "help": "run the backend in this process, for a debugger",
    },
    "--tgi-enforce": {
        "choices": ("must", "should"),
        "help": "should: a SHOULD that fails makes the run fail (default: must)",
    },
    "--tgi-baseline": {
        "metavar": "FILE|none",
        "help": "failures that are expected (default: expected_failures.toml, if the working folder has one)",
    },
    "--tgi-level": {
        "choices": ("safe", "sound", "exemplary"),
        "help": "only what breaks this level of conformance makes the run fail (default: all that is red)",
    },
    "--tgi-fail-on": {
        "choices": ("red", "new"),
        "help": "new: only cases that were not red in the last run make this one fail (default: red)",
    },
    "--tgi-against": {
        "metavar": "RUN",
        "help": "with --tgi-fail-on new: compare with this run, a folder of results or a verdicts.jsonl",
    },
    "--tgi-floor": {
        "type": float,
        "metavar": "PERCENT",
        "help": "so many of the applicable MUST cases must be decided; untestable ones may be among the rest",
    },
    "--tgi-deadline": {
        "type": float,
        "metavar": "S",
        "help": "seconds a call may take before it counts as a hang (default 10)",
    },
    "--tgi-endpoint": {
        "metavar": "URL",
        "help": "base URL of a real TGI: forwarded cases get their answers there (default: TGI_ENDPOINT)",
    },
    "--tgi-max-requests": {"type": int, "metavar": "N", "help": "requests to the real endpoint (300)"},
    "--tgi-max-tokens": {"type": int, "metavar": "N", "help": "tokens that it may generate (5000)"},
    "--tgi-dry-run": {
        "action": "store_true",
        "default": False,
        "help": "send nothing to the real endpoint; say what would be",
    },
    "--tgi-wait-ready": {
        "type": float,
        "metavar": "S",
        "help": "seconds to wait for a model of the real endpoint that is still loading (0)",
    },
    "--tgi-any-server": {
        "action": "store_true",
        "default": False,
        "help": "take a real endpoint that is no TGI, where it answers POST /v1/chat/completions",
    },
    "--tgi-real-concurrency": {
        "type": int,
        "metavar": "N",
        "help": "exchanges with the real endpoint at a time (4)",
    },
    "--tgi-cacert": {"metavar": "FILE", "help": "certificates (PEM) that the real endpoint is trusted by"},
    "--tgi-header": {
        "action": "append",
        "metavar": "NAME: VALUE",
        "help": "further header of each request to the real endpoint, for a gateway; repeatable",
    },
    "--tgi-allure": {
        "metavar": "DIR",
        "help": "write results for Allure to this folder when the run is over (not allure-pytest's)",
    },
    "--tgi-reports": {
        "metavar": "LIST",
        "help": "write these reports too, separated by commas: github, gitlab, sarif, badge",
    },
    "--tgi-report": {"choices": ("full", "none"), "help": "none: write no files (default: full)"},
    "--tgi-evidence": {
        "choices": ("failures", "all"),
        "help": "keep the scripts, journals and outcomes of these cases (default: failures)",
    },
}

#: Formats of reports that must be asked for (a row of ``reports/writing/formats.py``), by their option.
REPORT_OPTIONS: Final[Mapping[str, str]] = {"allure": "--tgi-allure"}


def add_options(parser: pytest.Parser) -> None:
    """Add the group of options to pytest's parser."""
    group = parser.getgroup("tgi", "conformance of TGI client backends")
    for flag, keywords in OPTIONS.items():
        group.addoption(flag, **keywords)


def destination(flag: str) -> str:
    """Name of the attribute that holds a flag's value."""
    return flag.removeprefix("--").replace("-", "_")


def any_given(config: pytest.Config) -> bool:
    """Whether one of the options was used."""
    values = (getattr(config.option, destination(flag), None) for flag in OPTIONS)
    # A number that is 0 was given, and is to be refused with the others that are.
    return any(value is not None and value is not False and value != [] for value in values)


def asks_for_real(config: pytest.Config, environment: Mapping[str, str]) -> bool:
    """Whether the run is to go to a real endpoint."""
    return bool(config.option.tgi_endpoint or environment.get(ENDPOINT_VARIABLE))


def cases_named(config: pytest.Config) -> list[str]:
    """The names of cases that were given; none: all cases are to be run."""
    return [*(config.option.tgi_case or ()), *(config.option.tgi_rerun or ())]


def reports_asked(config: pytest.Config) -> Mapping[str, str]:
    """The formats of reports that were asked for, by name, each with the value of its option."""
    given = {name: getattr(config.option, destination(flag), None) for name, flag in REPORT_OPTIONS.items()}
    # This module is imported in every pytest session, the formats are not.
    from tgi_conformance.reports.formats.names import formats_in  # noqa: PLC0415

    listed = formats_in(config.option.tgi_reports or "")
    return dict.fromkeys(listed, "yes") | {name: str(value) for name, value in given.items() if value}


def names_suites(arguments: Sequence[str]) -> bool:
    """Whether the arguments ask for the suites of this package by name."""
    return any("tgi_conformance" in argument for argument in arguments)


def text(config: pytest.Config, flag: str, default: str) -> str:
    """Return the value of a flag, or the default where it was not given."""
    value = getattr(config.option, destination(flag), None)
    return default if value is None else str(value)


def is_distributed(config: pytest.Config) -> bool:
    """Whether workers run the tests, so that this process only controls the run."""
    return bool(getattr(config.option, "dist", "no") != "no" and getattr(config.option, "tx", None))
