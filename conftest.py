"""Pytest settings for work inside this repository, and nothing else."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
ROOMS = ("backends", "contracts", "fake_server", "kit", "reports", "suites")
# The root folders must only be reachable as tgi_conformance.*; a bare `import contracts` would
# load every module twice.
sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != ROOT]


@pytest.fixture(autouse=True, scope="session")
def _one_name() -> None:
    if bad := sorted(m for m in sys.modules if m.partition(".")[0] in ROOMS):
        pytest.fail(f"not imported as tgi_conformance.*: {bad}", pytrace=False)
