"""The sample repository: its script does what it says, and its parts agree. ``tox -e sample`` runs it."""

import os
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "docs" / "examples" / "backend-repository"
#: Stands for python3: makes the programs of an environment, which write down what they were told.
PYTHON = """#!/bin/sh
mkdir -p "$3/bin"
for name in pip tgi-conformance; do
  printf '#!/bin/sh\\necho %s "$@" >> "$SEEN"\\n[ %s = pip ] || exit "$CODE"\\n' $name $name > "$3/bin/$name"
  chmod +x "$3/bin/$name"
done
"""


@pytest.mark.parametrize("code", [0, 1, 10])
def test_the_script_installs_client_and_kit_and_ends_as_the_run_does(tmp_path: Path, code: int) -> None:
    (tmp_path / "python3").write_text(PYTHON)
    (tmp_path / "python3").chmod(0o755)
    seen = tmp_path / "seen"
    variables = {"SEEN": str(seen), "CODE": str(code), "KIT": "kit.whl", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        ["bash", str(SAMPLE / "ci.sh"), "--profile", "quick"],
        env={"PATH": f"{tmp_path}:{os.defpath}", **variables},
        timeout=20,
        check=False,
    )
    assert done.returncode == code
    client, kit, run = seen.read_text().splitlines()
    assert (client, kit) == ("pip install --quiet .", "pip install --quiet kit.whl")
    assert run.startswith("tgi-conformance run --backend conformance_adapter:Adapter --backend-python ")
    assert run.endswith("/client/bin/python --profile quick")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["python3", "seen"], "it tidies up"


def test_the_baseline_has_the_claims_of_the_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SAMPLE))
    monkeypatch.delitem(sys.modules, "tiny_tgi", raising=False)
    about = runpy.run_path(str(SAMPLE / "conformance_adapter.py"))["Adapter"]().describe()
    claims = tomllib.loads((SAMPLE / "expected_failures.toml").read_text(encoding="utf-8"))["claims"]
    assert claims == {about["name"]: ["core", *about["capabilities"]]}


def test_what_the_sample_is_broken_by_is_in_its_client() -> None:
    client = (SAMPLE / "tiny_tgi.py").read_text(encoding="utf-8")
    tries = runpy.run_path(str(ROOT / "tests" / "sample_repository.py"))["TRIES"]
    assert [given.name for given in tries if given.old not in client] == []
    assert {given.code for given in tries} == {0, 1}
