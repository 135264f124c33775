import dataclasses
import json
from pathlib import Path

import pytest
from verdict_builder import CANARY, evidence, run_of, verdict

from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.schema.registry import problems, schema
from tgi_conformance.contracts.verdict import Breach, Evidence, Finding, Ruling, Sign, Verdict
from tgi_conformance.reports.run import BackendInfo, Debt, RealInfo, RunInfo, ShardInfo
from tgi_conformance.reports.run_folder import write_all, write_evidence


def required(cls: type) -> list[str]:
    return [
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]


@pytest.mark.parametrize(
    ("cls", "document"),
    [
        (Verdict, schema("verdict")),
        (Finding, schema("verdict")["$defs"]["Finding"]),
        (Sign, schema("verdict")["$defs"]["Sign"]),
        (Breach, schema("verdict")["$defs"]["Breach"]),
        (BackendInfo, schema("run")["$defs"]["BackendInfo"]),
        (RealInfo, schema("run")["$defs"]["RealInfo"]),
        (Debt, schema("run")["$defs"]["Debt"]),
        (ShardInfo, schema("run")["$defs"]["ShardInfo"]),
    ],
)
def test_a_schema_has_the_fields_of_its_class_and_their_defaults(
    cls: type, document: dict[str, object]
) -> None:
    properties = document["properties"]
    assert isinstance(properties, dict)
    of_the_line = {"version"} if cls is Verdict else set()
    assert [name for name in properties if name not in of_the_line] == [
        f.name for f in dataclasses.fields(cls)
    ]
    assert document.get("required", []) == required(cls)
    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING:
            default = properties[field.name].get("default", "none given")
            assert default == to_json(field.default) or (field.name == "breach" and default is True)


def test_the_evidence_schema_has_the_fields_of_its_class_and_the_schemas_name() -> None:
    document = schema("evidence")
    assert list(document["properties"]) == ["$schema", *(f.name for f in dataclasses.fields(Evidence))]
    assert document["required"] == ["$schema", *required(Evidence)]


def test_the_run_schema_has_the_fields_of_its_class_and_what_the_run_came_to() -> None:
    document = schema("run")
    fields = [field.name for field in dataclasses.fields(RunInfo)]
    ends = ["exit_code", "meaning", "reasons", "rulings"]
    assert list(document["properties"]) == ["$schema", "version", *fields, *ends]
    assert document["required"] == ["$schema", "version", *required(RunInfo), *ends]
    for field in dataclasses.fields(RunInfo):
        if field.default is not dataclasses.MISSING:
            assert document["properties"][field.name]["default"] == to_json(field.default)
    rulings = document["properties"]["rulings"]["additionalProperties"]["propertyNames"]["enum"]
    assert rulings == [str(ruling) for ruling in Ruling]


def test_the_schemas_know_all_rulings_and_all_keys_in_order() -> None:
    assert schema("verdict")["properties"]["ruling"]["enum"] == [str(ruling) for ruling in Ruling]
    assert tuple(schema("results-map")["properties"]) == RESULTS_KEYS


def test_the_files_of_a_run_are_valid(tmp_path: Path) -> None:
    finding = Finding(clause="SEC-01", message="key A in the output")
    name = write_evidence(tmp_path, evidence("STREAM-12/b"), {"A": CANARY})
    failed = verdict(
        "STREAM-12/b",
        Ruling.FAILED,
        evidence=name,
        seed=3,
        duration=0.5,
        findings=(finding,),
        record={"a": 1},
    )
    real = RealInfo(url="http://tgi.example", remarks=("r",))
    options = (("--tgi-deadline", "3.0"),)
    debt = Debt(file="expected_failures.toml", entries=1, cases=2, day="2026-12-01")
    write_all(run_of(verdict("RESP-01/a"), failed, real=real, options=options, debt=debt), tmp_path)
    assert problems("run", json.loads((tmp_path / "run.json").read_bytes())) == []
    for row in (tmp_path / "verdicts.jsonl").read_text(encoding="utf-8").splitlines():
        assert problems("verdict", json.loads(row)) == []
    value = json.loads((tmp_path / name).read_bytes())
    assert problems("evidence", value) == []
    for space in value["spaces"]:
        assert problems("script", space["script"]) == []
        assert problems("journal", space["journal"]) == []
    assert problems("results-map", json.loads((tmp_path / "alpha_test_results.json").read_bytes())) == []


@pytest.mark.parametrize("value", [{"streaming": "success"}, {"new:tls": "Success"}, {"streaming": True}, []])
def test_what_is_no_results_map_is_refused(value: object) -> None:
    assert problems("results-map", value)
