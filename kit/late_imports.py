"""Modules that are imported only once they are needed, each because of what it brings along.

They are named here alone: an import written as a string is followed by no tool, so a test holds that these
modules exist and that no other is named elsewhere.
"""

from typing import Final

#: The plugin's work: settings, hooks, the suites' fixtures.
ACTIVATION: Final = "tgi_conformance.plugin.activation"
#: What plays cases: drivers and suites.
PLAYER: Final = "tgi_conformance.plugin.cases"
#: What asks a case whether it is applicable: the suites' harness.
APPLICABLE: Final = "tgi_conformance.plugin.quick.applicable"
#: What puts a test's parameters into the words of another server: the suites' shapes.
SHAPES: Final = "tgi_conformance.suites.shapes.personas"
#: Where Hypothesis keeps its tables: Hypothesis.
EXAMPLE_STORAGE: Final = "tgi_conformance.suites.harness.example_storage"
#: What controls a run: the reports.
CONTROLLER: Final = "tgi_conformance.plugin.summary"
#: What reads baseline, level and earlier run: the reports.
GATE: Final = "tgi_conformance.plugin.gate.given"
#: What begins a run against a real endpoint: the egress, the preflight.
REAL_RUN: Final = "tgi_conformance.plugin.real.running"
#: What labels allure-pytest's results.
ALLURE: Final = "tgi_conformance.plugin.allure"
#: The table of options: pytest.
OPTIONS: Final = "tgi_conformance.plugin.options"

#: The commands' work, so that ``--help`` does not cost what a run costs.
RUN: Final = "tgi_conformance.cli.run"
PYTEST_ARGUMENTS: Final = "tgi_conformance.cli.pytest_arguments"
CHECK_SERVER: Final = "tgi_conformance.cli.real_server.check_server"
DRIFT: Final = "tgi_conformance.cli.real_server.drift"
RECORD: Final = "tgi_conformance.cli.real_server.record"
BASELINE_UPDATE: Final = "tgi_conformance.cli.baseline.update"
DOCTOR: Final = "tgi_conformance.cli.doctor"
CATALOGUE: Final = "tgi_conformance.cli.catalogue"
CASE_LISTING: Final = "tgi_conformance.cli.case_listing"
REPRODUCE: Final = "tgi_conformance.cli.reproduce"
COMPARE: Final = "tgi_conformance.cli.runs.compare"
MERGE: Final = "tgi_conformance.cli.runs.merge"
BOARD: Final = "tgi_conformance.cli.board"
RERUN: Final = "tgi_conformance.cli.runs.rerun"
INIT: Final = "tgi_conformance.cli.init.command"
SERVE: Final = "tgi_conformance.fake_server.service.process"
