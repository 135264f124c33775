"""The catalogue of clauses: its counts, its cross-references, and how it refuses bad files."""

import re
import shutil
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.catalogue.clauses import (
    AREA_FILES,
    Area,
    CatalogueError,
    Level,
    load_catalogue,
    read_catalogue,
)
from tgi_conformance.contracts.catalogue.notes import (
    load_contested,
    load_invariants,
    load_source_forms,
)
from tgi_conformance.contracts.catalogue.results_keys import NEW_KEYS, NEW_PREFIX, RESULTS_KEYS

# Area: clauses, MUST, SHOULD, MAY, with a public issue.
COUNTS = {
    "INIT": (11, 8, 3, 0, 6),
    "REQ": (18, 16, 2, 0, 10),
    "RESP": (15, 15, 0, 0, 12),
    "STREAM": (32, 25, 6, 1, 24),
    "GEN": (13, 9, 4, 0, 7),
    "MUX": (11, 10, 1, 0, 6),
    "QUEUE": (14, 13, 0, 1, 4),
    "RETRY": (21, 16, 4, 1, 12),
    "ERR": (11, 9, 2, 0, 6),
    "IMG": (7, 5, 2, 0, 3),
    "STAT": (10, 6, 4, 0, 4),
    "SEC": (11, 8, 3, 0, 8),
    "RES": (11, 7, 4, 0, 10),
    "TOOL": (14, 11, 3, 0, 11),
    "REAL": (5, 4, 1, 0, 3),
    "DECL": (1, 1, 0, 0, 0),
}

KEY_COUNTS = {
    "multiplexing_endpoint_creation": 8,
    "usage_statistics": 10,
    "queue_enabled": 2,
    "request_queue": 2,
    "max_concurrent_requests": 4,
    "current_requests": 2,
    "max_retries": 7,
    "initial_retry_delay": 2,
    "backoff_factor": 2,
    "queue_processing": 4,
    "endpoint_handler": 8,
    "test_endpoint": 1,
    "test_endpoint_params": 15,
    "post_request": 19,
    "post_request_headers": 6,
    "request_id_tracking": 4,
    "chat_method": 9,
    "streaming": 34,
    "error_handling_auth": 1,
    "error_handling_rate_limit": 7,
    "error_handling_400": 8,
    "image_processing": 7,
    "new:ambient_token": 1,
    "new:cancellation": 1,
    "new:declarations": 1,
    "new:error_handling_server": 1,
    "new:key_redaction": 3,
    "new:real_endpoint": 5,
    "new:redirect_safety": 2,
    "new:resource_cleanup": 11,
    "new:structured_output": 2,
    "new:timeouts": 1,
    "new:tls": 2,
    "new:tool_calls": 12,
    "new:transport_errors": 1,
}

CATALOGUE = load_catalogue()


def test_totals() -> None:
    levels = Counter(clause.level for clause in CATALOGUE)
    grounds = Counter(mark for clause in CATALOGUE for mark in clause.grounds)
    assert len(CATALOGUE) == 205
    assert levels == {Level.MUST: 163, Level.SHOULD: 39, Level.MAY: 3}
    assert grounds == {"public-issue": 126, "shipped-code": 34}
    assert sum(bool(clause.grounds) for clause in CATALOGUE) == 149


@pytest.mark.parametrize("area", CATALOGUE.areas, ids=lambda area: area.name)
def test_counts_of_an_area(area: Area) -> None:
    levels = Counter(clause.level for clause in area.clauses)
    issues = sum("public-issue" in clause.grounds for clause in area.clauses)
    found = (len(area.clauses), levels[Level.MUST], levels[Level.SHOULD], levels[Level.MAY], issues)
    assert found == COUNTS[area.name]


def test_areas_stand_in_catalogue_order_and_clauses_are_numbered_without_gaps() -> None:
    assert [area.name for area in CATALOGUE.areas] == list(COUNTS)
    for area in CATALOGUE.areas:
        ids = [f"{area.name}-{number:02}" for number in range(1, len(area.clauses) + 1)]
        assert [clause.id for clause in area.clauses] == ids
    assert [c.id for c in CATALOGUE] == [c.id for area in CATALOGUE.areas for c in area.clauses]


def test_counts_of_every_results_key() -> None:
    assert {key: len(clauses) for key, clauses in CATALOGUE.by_results_key().items()} == KEY_COUNTS
    assert list(CATALOGUE.by_results_key()) == [*RESULTS_KEYS, *NEW_KEYS]


def test_there_are_22_keys_of_the_guide_and_the_new_ones_say_so() -> None:
    assert len(set(RESULTS_KEYS)) == 22
    assert len(set(NEW_KEYS)) == 13
    assert all(key.startswith(NEW_PREFIX) for key in NEW_KEYS)
    assert not any(key.startswith(NEW_PREFIX) for key in RESULTS_KEYS)


def test_capabilities_are_the_catalogues_own() -> None:
    used = {capability for clause in CATALOGUE for capability in clause.capabilities}
    assert set(CAPABILITIES) - used == {"reset", "update"}, "only steps of clauses need these"
    assert all(CAPABILITIES.values())


def test_grounds_are_backed_by_a_source() -> None:
    shipped = re.compile(r"`(UP|base\.py|test_hf_tgi\.py|cli|err|typ)\b")
    for clause in CATALOGUE:
        if "public-issue" in clause.grounds:
            assert any(source.url for source in clause.sources), clause.id
        if "shipped-code" in clause.grounds:
            assert any(shipped.search(source.text) for source in clause.sources), clause.id


def test_short_forms_in_sources_are_explained() -> None:
    forms = load_source_forms()
    for clause in CATALOGUE:
        for source in clause.sources:
            for short in re.findall(r"`([\w.]+):\d", source.text):
                assert short in forms or "axum" in source.text, (clause.id, short)
            for text in re.findall(r"RFC \d{4}|WHATWG|AWS|gRPC A6|SRE book|Seed", source.text):
                assert text in forms, (clause.id, text)


def test_no_markdown_link_or_escaped_pipe_is_left_over() -> None:
    for clause in CATALOGUE:
        texts = [clause.statement, clause.stimulus, clause.observable, clause.advice]
        for text in texts + [source.text for source in clause.sources]:
            assert "](" not in text.replace("![](", ""), (clause.id, text)
            assert r"\|" not in text, (clause.id, text)


def test_each_clause_says_in_one_line_what_to_change() -> None:
    advice = [clause.advice for clause in CATALOGUE]
    assert all(text.endswith(".") and "\n" not in text and 20 < len(text) <= 160 for text in advice)
    assert len(set(advice)) == len(advice)


def test_an_unknown_clause_is_named() -> None:
    with pytest.raises(KeyError, match="STREAM-99"):
        CATALOGUE["STREAM-99"]
    assert "STREAM-99" not in CATALOGUE
    assert CATALOGUE["STREAM-12"].results_key == "streaming"


def test_invariants_are_25_and_name_clauses() -> None:
    invariants = load_invariants()
    assert list(invariants) == [f"P-{number:02}" for number in range(1, 26)]
    for invariant in invariants.values():
        assert invariant.clauses, invariant.id
        assert all(clause in CATALOGUE for clause in invariant.clauses), invariant.id


def test_contested_points_are_22_and_name_clauses() -> None:
    contested = load_contested()
    assert [point.number for point in contested] == list(range(1, 23))
    assert all(point.title and point.text for point in contested)
    assert all(clause in CATALOGUE for point in contested for clause in point.clauses)


# -- bad files -------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with resources.as_file(
        resources.files("tgi_conformance.contracts.catalogue").joinpath("areas")
    ) as clauses:
        return Path(shutil.copytree(clauses, tmp_path / "clauses"))


def test_a_copy_of_the_folder_reads_the_same(folder: Path) -> None:
    assert list(read_catalogue(folder)) == list(CATALOGUE)
    assert {path.stem for path in folder.glob("*.toml")} == {
        *AREA_FILES,
        "SOURCES",
        "invariants",
        "contested",
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('level = "MUST"', 'level = "MUSTN"', r"mux.toml: clause MUX-01: field 'level': must be one"),
        ('level = "MUST"\n', "", r"mux.toml: clause MUX-01: field 'level': must be a string"),
        ('capabilities = ["keys"]', 'capabilities = ["key"]', r"MUX-01: field 'capabilities': must"),
        ('capabilities = ["keys"]', "capabilities = []", r"MUX-01: field 'capabilities': must be at"),
        ('capabilities = ["keys"]', 'capabilities = "keys"', r"MUX-01: field 'capabilities'.*array"),
        ('"public-issue"', '"rumour"', r"MUX-01: field 'grounds'.*rumour"),
        ('results_key = "', 'results_key = "x', r"MUX-01: field 'results_key'"),
        ('id = "MUX-02"', 'id = "MUX-01"', r"clause MUX-01: field 'id': stands twice"),
        ('id = "MUX-01"', 'id = "MIX-01"', r"mux.toml: clause MIX-01: field 'id'"),
        ("statement = ", "statment = ", r"MUX-01: field 'statement'"),
        ('level = "MUST"', 'level = "MUST"\nlvl = 1', r"MUX-01: unknown field 'lvl'"),
        ('text = "', 'txt = "', r"MUX-01: field 'sources': field 'text'"),
        ('area = "MUX"', 'area = "XUM"', r"mux.toml: field 'area'"),
        ("[[clause]]", "[[clause", r"mux.toml: not TOML"),
    ],
)
def test_a_bad_file_is_refused_with_file_clause_and_field(
    folder: Path, old: str, new: str, message: str
) -> None:
    file = folder / "mux.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogueError, match=message):
        read_catalogue(folder)
