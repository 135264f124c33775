"""What ``init`` writes passes ``doctor``, with clients that have the packages' interface and no more."""

import json
import shutil
from pathlib import Path

import pytest
from mini_backend import run_cli
from stand_in_clients import NATIVE_CLIENT, OPENAI_CLIENT, OPENAI_NODE


def test_the_adapter_of_an_own_client_passes_doctor(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NATIVE_CLIENT)
    done = run_cli(tmp_path, "init")
    assert done.code == 0, done.out
    assert "0 problems" in done.out
    assert "a healthy native stream is answered" in done.out
    again = run_cli(tmp_path, "init")
    assert again.code == 0, again.out
    assert "wrote" not in again.out


def test_the_adapter_for_openai_passes_doctor(tmp_path: Path) -> None:
    (tmp_path / "openai.py").write_text(OPENAI_CLIENT)
    done = run_cli(tmp_path, "init", "--client", "openai")
    assert done.code == 0, done.out
    assert "0 problems" in done.out
    assert "a healthy chat stream is answered" in done.out


def test_the_adapter_in_javascript_passes_doctor(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("no node on PATH")
    package = tmp_path / "node_modules" / "openai"
    package.mkdir(parents=True)
    (package / "package.json").write_text(
        json.dumps({"name": "openai", "type": "module", "main": "index.js"})
    )
    (package / "index.js").write_text(OPENAI_NODE)
    (tmp_path / "package.json").write_text(json.dumps({"dependencies": {"openai": "*"}}))
    done = run_cli(tmp_path, "init")
    assert done.code == 0, done.out
    assert "0 problems" in done.out
