"""The Node adapter of the docs: a second implementation of protocol and client, judged as any backend is."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "node" / "adapter.mjs"
START = "import sys; from tgi_conformance.cli import main; sys.exit(main())"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not on the PATH")


def test_the_node_example_has_all_keys_of_the_guide_and_breaks_no_clause(tmp_path: Path) -> None:
    results = tmp_path / "results"
    words = ["--profile", "quick", "-n", "0", "--enforce", "should", "--results", str(results)]
    done = subprocess.run(
        [sys.executable, "-c", START, "run", "--backend-command", f"node {EXAMPLE}", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    told = json.loads((results / "quick" / "node-example_test_results.json").read_text(encoding="utf-8"))
    assert told == dict.fromkeys(RESULTS_KEYS, "Success")
