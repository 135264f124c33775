"""Each kind of call of the kit to the operating system fails once; nothing is lost, and nobody is blamed."""

import errno
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest
from failing_calls import Failing, environment_for, happened
from mini_backend import MINI, Done, run, run_cli

from tgi_conformance.reports.verdict_lines import read_verdicts

FULL = errno.ENOSPC
#: A green run of a few cases, of which one goes over the wire; all evidence is kept.
CLAUSES = ("INIT-05", "REAL-01")
WORDS = [
    "run",
    "--backend",
    "mini:Mini",
    "--case",
    "INIT-05",
    "--case",
    "REAL-01/not-run*",
    "--evidence",
    "all",
]
HOST, FAKE = r"host/__main__\.py", r"tgi_conformance\.fake_server"


def beside(name: str) -> str:
    """The words of opening, or moving, the file that is written beside a file."""
    return rf"/\.{re.escape(name)}[^/]*\.tmp"


@dataclass(frozen=True, kw_only=True)
class Point:
    """A call that fails, and the exit code of the run."""

    failing: Failing
    code: int
    words: tuple[str, ...] = ("-n", "0")


def point(
    event: str, words: str, code: int, *, error: int = FULL, number: int = 1, workers: int = 0
) -> Point:
    failing = Failing(event=event, words=words, errno=error, number=number)
    return Point(failing=failing, code=code, words=("-n", str(workers)))


REPORTS = ("verdicts.jsonl", "junit.xml", "report.html", "run.json", "durations.json")
POINTS = {
    # a verdict and the evidence of a case, while the cases are run
    "stream": point("open", r"unfinished/verdicts\.jsonl ", 15),
    "stream, later": point("open", r"unfinished/verdicts\.jsonl ", 15, number=3),
    "stream, workers": point("open", r"unfinished/verdicts\.jsonl ", 15, workers=1),
    "evidence open": point("open", beside("INIT-05__"), 15),
    "evidence open, workers": point("open", beside("INIT-05__"), 15, workers=1),
    "evidence move": point("os.rename", beside("INIT-05__"), 15),
    "evidence folder": point("os.mkdir", r"unfinished/evidence", 15),
    # the reports, when the cases are over
    **{f"{name} open": point("open", beside(name), 15) for name in REPORTS},
    **{f"{name} move": point("os.rename", beside(name), 15) for name in REPORTS},
    # the places of the files
    "results folder": point("os.mkdir", r"collected_results ", 4, error=errno.EACCES),
    "unfinished": point("os.mkdir", r"/unfinished ", 4),
    "lock": point("open", r"/\.lock ", 4),
    "place": point("os.mkdir", r"/narrowed ", 15),
    "verdicts to their place": point("os.rename", r"unfinished/verdicts\.jsonl \S*narrowed/", 15),
    "evidence to its place": point("os.rename", r"unfinished/evidence/\S* \S*narrowed/", 15),
    "last to its place": point("os.rename", r"unfinished/run\.json \S*narrowed/", 15),
    # what the processes of a run share
    "shared folder": point("os.mkdir", r"/tgi-conformance-(?!home)\w* ", 4),
    "note of the backend": point("open", r"/tgi-conformance-\w*/\S*\.part", 11),
    # other processes, and what they listen to
    "backend": point("subprocess.Popen", HOST, 12, error=errno.EAGAIN),
    "backend of a worker": point("subprocess.Popen", HOST, 11, error=errno.EAGAIN, number=2, workers=1),
    "home of the backend": point("os.mkdir", r"/tgi-conformance-home-", 12),
    "fake server": point("subprocess.Popen", FAKE, 11, error=errno.ENOMEM),
    "accept": point("accept", r"fake_server/__main__\.py", 11, error=errno.EMFILE, number=3),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mini.py").write_text(MINI)
    return tmp_path


@pytest.mark.parametrize("name", POINTS)
def test_a_call_that_fails_once_loses_nothing_and_blames_nobody(name: str, project: Path) -> None:
    failing, code = POINTS[name].failing, POINTS[name].code
    variables = environment_for(failing, project / "failing")
    done = run_cli(project, *WORDS, *POINTS[name].words, **variables)
    assert happened(failing, project / "failing"), done.out
    assert done.code == code, done.out
    assert "Traceback" not in done.out
    _check_what_is_there(project, code)
    if code not in (4, 12):
        decided = _decided(project)
        assert len(decided) == _number_of_cases(done), done.out


def _check_what_is_there(project: Path, code: int) -> None:
    """Every file is whole, no verdict is against the backend, and none says that all is well."""
    for path in (project / "collected_results").rglob("*"):
        if path.name == "run.json":
            assert json.loads(path.read_text(encoding="utf-8"))["exit_code"] in (code, 0), path
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".xml":
            ET.parse(path)  # noqa: S314 - our own file
        elif path.suffix == ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>"), path
        assert not path.name.endswith(".tmp"), path


def _decided(project: Path) -> set[str]:
    """The cases of the clause that have a verdict, wherever it stands; none of them blames the backend."""
    found = set()
    for file in (project / "collected_results").rglob("verdicts.jsonl"):
        read = read_verdicts(file)
        assert read.warning == ""
        assert {str(v.ruling) for v in read.verdicts} <= {"passed", "not applicable", "kit fault", "recorded"}
        found |= {v.case for v in read.verdicts if v.clause in CLAUSES and not v.case.endswith("/run-wide")}
    return found


def _number_of_cases(done: Done) -> int:
    """How many cases the run had, as it says before the first."""
    said = re.search(r"^(\d+) cases?$", done.out, re.MULTILINE)
    assert said is not None, done.out
    return int(said[1])


#: A limit of the kernel on the size of a file stands for a disk that is nearly full.
SMALL_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
from tgi_conformance.cli import main
sys.exit(main())
"""


def test_a_disk_that_takes_only_small_files_costs_the_large_ones(project: Path) -> None:
    done = run(project, ["-c", SMALL_FILES, *WORDS, "-n", "0"], PYTHONDONTWRITEBYTECODE="1")
    assert done.code == 15, done.out
    assert "report.html could not be written: File too large; make room" in done.out
    narrowed = project / "collected_results" / "narrowed"
    assert {path.name for path in narrowed.iterdir()} >= {
        "verdicts.jsonl",
        "junit.xml",
        "run.json",
        "evidence",
    }
    assert not (narrowed / "report.html").exists()
    _check_what_is_there(project, 15)
