"""Programs rule nothing that a backend does not claim; a server that routes by model is told its model."""

from pathlib import Path
from typing import cast

import pytest
from mini_backend import MINI, run_cli

KEYED = """

class Keyed(Mini):
    def describe(self):
        return super().describe() | {"capabilities": ["native", "keys"]}
"""
#: A client of chat that names a model only where it was given one.
MODEL = """

class Modelled(Mini):
    def describe(self):
        return {"name": "modelled", "capabilities": ["chat"], "settings": ["model"]}

    def create_endpoint(self, *, model=None, **given):
        self.model = model
        return super().create_endpoint(**given)

    def chat(self, messages, *, endpoint_id=None, **parameters):
        base_url, key = self.endpoints[endpoint_id]
        named = {} if self.model is None else {"model": self.model}
        body = json.dumps({"messages": messages, **named, **parameters}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        request = urllib.request.Request(base_url + "/v1/chat/completions", body, headers)
        with urllib.request.urlopen(request, timeout=5) as response:
            return json.load(response)["choices"][0]["message"]["content"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mini.py").write_text(MINI + KEYED + MODEL)
    return tmp_path


def test_programs_of_a_backend_without_a_queue_say_nothing_of_queues(project: Path) -> None:
    done = run_cli(project, "run", "-n", "0", "--backend", "mini:Keyed", "--case", "MUX-03/property-model")
    assert done.code == 0, done.out
    (noted,) = (verdict["record"] for verdict in done.verdicts(narrowed=True) if "record" in verdict)
    found_right = cast("dict[str, list[str]]", noted)["found_right"]
    assert "MUX-01" in found_right
    clauses = {*found_right, *(case.partition("/")[0] for case in done.rulings())}
    assert not [clause for clause in clauses if clause.startswith(("QUEUE", "STAT", "RES-05"))]


def test_a_server_that_routes_by_model_is_asked_for_its_model(project: Path) -> None:
    done = run_cli(project, "run", "-n", "0", "--backend", "mini:Modelled", "--case", "REAL-02/hosted-router")
    assert done.rulings()["REAL-02/hosted-router"] == "passed", done.out
