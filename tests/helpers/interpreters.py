"""Other versions of Python on this machine."""

import shutil
import subprocess

import pytest


def interpreter(version: str) -> str:
    """Return the executable of another version; skip where this machine has none."""
    found = shutil.which(f"python{version}")
    if found is None:
        pytest.skip(f"no python{version} on PATH")
    ask = [found, "-c", "import sys; print(sys.executable)"]
    asked = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=False)
    if asked.returncode:
        pytest.skip(f"python{version} on PATH does not run")
    return asked.stdout.strip()
