"""The settings of one run: built once by the controller, sent to xdist's workers as JSON."""

import json
import os
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

import pytest

from tgi_conformance.backends.driver.environment import handed_on
from tgi_conformance.backends.driver.spec import BackendSpec, parse_backend
from tgi_conformance.contracts.codec import from_json, to_json
from tgi_conformance.contracts.requirements.sets import read_set
from tgi_conformance.contracts.script import NATIVE_PERSONA, Persona
from tgi_conformance.plugin.ending.budget import last_turn
from tgi_conformance.plugin.environment import EnvironmentProblem, endpoints_given
from tgi_conformance.plugin.ids import NO_CLAUSE
from tgi_conformance.plugin.options import (
    DEFAULT_RESULTS,
    DEFAULT_SEED,
    REFERENCE,
    asks_for_real,
    text,
)
from tgi_conformance.plugin.selection import is_wild, unknown_clause
from tgi_conformance.plugin.shards.dealing import parse_shard
from tgi_conformance.reports.formats.names import UnknownFormatError, formats_in
from tgi_conformance.suites.harness.session import Profile, Settings

DEFAULT_DEADLINE = 10.0


def build_settings(config: pytest.Config, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read options and environment.

    Raises ``pytest.UsageError`` that says what is wrong and what to do.
    """
    profile = _profile(text(config, "--tgi-profile", "default"))
    if config.option.tgi_focus and profile != "quick":
        raise pytest.UsageError(f"a focus goes with quick: profile {profile} runs all cases anyway")
    _check_names(config)
    _check_reports(config)
    seed = read_seed(text(config, "--tgi-seed", str(DEFAULT_SEED)))
    try:
        return Settings(
            backends=_backends(config, environment),
            profile=profile,
            seed=seed,
            server=_server(config, environment),
            requirements=_requirements(config.option.tgi_requirements),
            shard=str(parse_shard(given)) if (given := config.option.tgi_shard) else "",
            ends_at=_ends_at(config.option.tgi_budget_seconds),
            folder=Path(text(config, "--tgi-results", DEFAULT_RESULTS)).absolute(),
            inproc=bool(config.option.tgi_inproc),
            endpoints=endpoints_given(environment, seed),
            deadline=_deadline(config.option.tgi_deadline),
        )
    except (EnvironmentProblem, ValueError) as problem:
        raise pytest.UsageError(str(problem)) from problem


def settings_to_text(settings: Settings) -> str:
    """Write settings as one line of JSON."""
    return json.dumps({**cast("dict[str, object]", to_json(settings)), "folder": str(settings.folder)})


def settings_from_text(line: str) -> Settings:
    """Read what :func:`settings_to_text` wrote."""
    value = json.loads(line)
    folder = Path(value.pop("folder"))
    return replace(from_json(Settings, value), folder=folder)


def _check_names(config: pytest.Config) -> None:
    """Raise ``pytest.UsageError`` for a clause that the catalogue does not hold.

    Whether a case exists, and what a pattern of cases matches, is known once they are collected.
    """
    for pattern in config.option.tgi_focus or ():
        if problem := unknown_clause(pattern):
            raise pytest.UsageError(problem)
    for pattern in config.option.tgi_case or ():
        clause = pattern.partition("/")[0]
        if not is_wild(clause) and clause.upper() != NO_CLAUSE and (problem := unknown_clause(clause)):
            raise pytest.UsageError(problem)


def _check_reports(config: pytest.Config) -> None:
    try:
        formats_in(config.option.tgi_reports or "")
    except UnknownFormatError as problem:
        raise pytest.UsageError(f"--reports: {problem}") from problem


def _server(config: pytest.Config, environment: Mapping[str, str]) -> Persona:
    name: str = config.option.tgi_server or NATIVE_PERSONA
    if name not in get_args(Persona):
        raise pytest.UsageError(f"--server {name}: one of {', '.join(get_args(Persona))}")
    if name != NATIVE_PERSONA and asks_for_real(config, environment):
        raise pytest.UsageError(
            f"--server {name} goes with the fake server, and a real endpoint is given: leave one of them out"
        )
    return cast("Persona", name)


def _requirements(name: str | None) -> str:
    return read_set(name).name if name is not None else ""


def read_seed(word: str) -> int:
    """Read ``--tgi-seed``: a number, or "random" for a new one."""
    if word == "random":
        return random.SystemRandom().randrange(2**32)
    if not word.isdecimal():
        raise pytest.UsageError(f"seed {word!r}: give a whole number from 0 up, or random")
    return int(word)


def _backends(config: pytest.Config, environment: Mapping[str, str]) -> tuple[BackendSpec, ...]:
    command: str | None = config.option.tgi_backend_command
    python: str | None = config.option.tgi_backend_python
    words: list[str] = config.option.tgi_backend or ([""] if command else [REFERENCE])
    variables = handed_on(config.option.tgi_backend_env or (), environment)
    allow_network = bool(config.option.tgi_allow_network)
    folder = Path(config.invocation_params.dir)
    specs = tuple(
        replace(
            parse_backend(word, python=python, command=command, folder=folder),
            environment=variables,
            allow_network=allow_network,
        )
        for word in words
    )
    labels = [spec.label for spec in specs]
    if doubled := sorted({label for label in labels if labels.count(label) > 1}):
        raise pytest.UsageError(f"--tgi-backend: {', '.join(doubled)} is given twice")
    return specs


def _profile(word: str) -> Profile:
    if word not in get_args(Profile):
        raise pytest.UsageError(f"--tgi-profile {word}: one of {', '.join(get_args(Profile))}")
    return cast("Profile", word)


def _ends_at(budget: float | None) -> float | None:
    if budget is None:
        return None
    if not 0 < budget < float("inf"):
        raise pytest.UsageError(f"budget {budget:g}: give a number of seconds above 0")
    return last_turn(time.monotonic(), budget)


def _deadline(given: float | None) -> float:
    if given is None:
        return DEFAULT_DEADLINE
    if not 0 < given < float("inf"):
        raise pytest.UsageError(f"deadline {given:g}: give a number of seconds above 0")
    return given
