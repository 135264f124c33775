"""What has to be alike in a release: versions, licence and description, wherever they stand."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version() -> None:
    for name in ("version", "license"):
        assert CITATION[name] == PROJECT[name]
    assert CITATION["title"] == PROJECT["name"]
    assert CITATION["abstract"].rstrip(".") == PROJECT["description"]
    assert set(CITATION["keywords"]) <= set(PROJECT["keywords"])


def test_the_citation_has_what_its_format_demands() -> None:
    """Citation File Format 1.2.0: these members are required, and an author that is no person has a name."""
    assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
    assert [author["name"] for author in CITATION["authors"]] == [each["name"] for each in PROJECT["authors"]]


def test_the_action_is_shown_with_this_version() -> None:
    for page in ("docs/examples/ci/github.yml", "docs/gate.md"):
        shown = re.findall(r"/tgi-conformance@v(\S+)", (ROOT / page).read_text(encoding="utf-8"))
        assert shown == [PROJECT["version"]], page


def test_each_version_of_python_that_is_named_is_allowed() -> None:
    named = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)]
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert min(named, key=lambda version: int(version.partition(".")[2])) == lowest
    assert PROJECT["classifiers"] == sorted(PROJECT["classifiers"])


def test_types_are_offered() -> None:
    assert "Typing :: Typed" in PROJECT["classifiers"]
    assert (ROOT / "kit" / "py.typed").is_file()
