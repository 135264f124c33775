"""How the CLI starts pytest: its own settings and plugins, nothing of the user's (design, section 7)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

SUITES: Final = "tgi_conformance.suites"
#: Loaded in this order; autoload is off, it costs over a second and lets strangers in.
PLUGINS: Final = ("xdist.plugin", "tgi_conformance.plugin")
#: What a shell may have set for the user's own tests.
_NOT_OURS: Final = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the user chose for a run."""

    backends: tuple[str, ...] = ()
    backend_python: str | None = None
    backend_command: str | None = None
    backend_env: tuple[str, ...] = ()
    allow_network: bool = False
    profile: str | None = None
    seed: str | None = None
    requirements: str | None = None
    server: str | None = None
    shard: str | None = None
    budget_seconds: float | None = None
    workers: int = 0
    expression: str | None = None
    cases: tuple[str, ...] = ()
    focus: tuple[str, ...] = ()
    #: Cases of an earlier run; one that is gone is no mistake.
    rerun: tuple[str, ...] = ()
    #: Whether they are all that was red, so that the results map may be renewed.
    renew: bool = False
    order: str | None = None
    results: str | None = None
    enforce: str | None = None
    baseline: str | None = None
    level: str | None = None
    fail_on: str | None = None
    against: str | None = None
    floor: float | None = None
    inproc: bool = False
    deadline: float | None = None
    evidence: str | None = None
    allure: str | None = None
    reports: str | None = None
    tgi_endpoint: str | None = None
    max_requests: int | None = None
    max_tokens: int | None = None
    dry_run: bool = False
    any_server: bool = False
    wait_ready: float | None = None
    real_concurrency: int | None = None
    cacert: str | None = None
    headers: tuple[str, ...] = ()


def arguments(choice: Choice) -> list[str]:
    """Return pytest's arguments for a run."""
    words = ["-c", os.devnull, f"--rootdir={files(SUITES)}", "--noconftest", "--import-mode=importlib"]
    words += ["-p", "no:cacheprovider", "--strict-markers", "--tb=short"]
    for plugin in PLUGINS:
        words += ["-p", plugin]
    if choice.workers:
        words += ["-n", str(choice.workers), "--dist=worksteal"]
    if choice.inproc:
        words.append("--capture=no")
    if choice.expression:
        words += ["-k", choice.expression]
    words += _own(choice)
    words += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    return [*words, "--pyargs", SUITES]


def _own(choice: Choice) -> Iterator[str]:
    single = {
        "--tgi-backend-python": choice.backend_python,
        "--tgi-backend-command": choice.backend_command,
        "--tgi-profile": choice.profile,
        "--tgi-seed": choice.seed,
        "--tgi-requirements": choice.requirements,
        "--tgi-server": choice.server,
        "--tgi-shard": choice.shard,
        "--tgi-budget-seconds": choice.budget_seconds,
        "--tgi-order": choice.order,
        "--tgi-results": choice.results,
        "--tgi-enforce": choice.enforce,
        "--tgi-baseline": choice.baseline,
        "--tgi-level": choice.level,
        "--tgi-fail-on": choice.fail_on,
        "--tgi-against": choice.against,
        "--tgi-floor": choice.floor,
        "--tgi-deadline": choice.deadline,
        "--tgi-evidence": choice.evidence,
        "--tgi-allure": choice.allure,
        "--tgi-reports": choice.reports,
        "--tgi-endpoint": choice.tgi_endpoint,
        "--tgi-max-requests": choice.max_requests,
        "--tgi-max-tokens": choice.max_tokens,
        "--tgi-wait-ready": choice.wait_ready,
        "--tgi-real-concurrency": choice.real_concurrency,
        "--tgi-cacert": choice.cacert,
    }
    yield from (f"--tgi-backend={backend}" for backend in choice.backends)
    yield from (f"--tgi-backend-env={pair}" for pair in choice.backend_env)
    yield from (f"{flag}={value}" for flag, value in single.items() if value is not None)
    yield from (f"--tgi-case={case}" for case in choice.cases)
    yield from (f"--tgi-rerun={case}" for case in choice.rerun)
    yield from (f"--tgi-focus={clause}" for clause in choice.focus)
    yield from (f"--tgi-header={header}" for header in choice.headers)
    if choice.renew:
        yield "--tgi-renew"
    if choice.dry_run:
        yield "--tgi-dry-run"
    if choice.any_server:
        yield "--tgi-any-server"
    if choice.inproc:
        yield "--tgi-inproc"
    if choice.allow_network:
        yield "--tgi-allow-network"


@contextmanager
def own_environment() -> Iterator[None]:
    """Take the user's pytest settings out of the environment while the block runs; workers inherit it."""
    before = {name: os.environ.pop(name, None) for name in _NOT_OURS}
    before["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
