"""The sample repository's CI script, from a clean copy and with a wheel: green, red for a broken client.

    python tests/sample_repository.py

It installs into environments of its own, so it needs the package registry; ``tox -e sample`` runs it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
SAMPLE: Final = ROOT / "docs" / "examples" / "backend-repository"


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One run of the script: a change of the client, and what must come of it."""

    name: str
    old: str
    new: str
    code: int
    #: A clause that the run must name.
    clause: str = ""


TRIES: Final = (
    Try(name="as it is", old="", new="", code=0),
    Try(
        name="all messages but the last are left out",
        old='{"messages": messages, **parameters}',
        new='{"messages": messages[-1:], **parameters}',
        code=1,
        clause="REQ-03",
    ),
)


def wheel(folder: Path) -> Path:
    """Build the kit's wheel."""
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    (built,) = folder.glob("*.whl")
    return built


def problem_with(kit: Path, given: Try, folder: Path) -> str:
    """Run the script in a copy of the sample; what was not as it must be, or nothing."""
    shutil.copytree(SAMPLE, folder)
    client = folder / "tiny_tgi.py"
    text = client.read_text(encoding="utf-8")
    if given.old not in text:
        return f"{given.old!r} is not in the client any more"
    client.write_text(text.replace(given.old, given.new, 1) if given.old else text, encoding="utf-8")
    done = subprocess.run(
        [str(folder / "ci.sh"), "--profile", "quick"],
        env=os.environ | {"KIT": str(kit), "PIP_CONSTRAINT": str(ROOT / "constraints.txt")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != given.code:
        return f"exit code {done.returncode} in place of {given.code}:\n{done.stdout}"
    return "" if given.clause in done.stdout else f"{given.clause} is not named:\n{done.stdout}"


def main() -> int:
    """Run all tries; returns 1 where one was not as it must be."""
    with tempfile.TemporaryDirectory() as temporary:
        kit = wheel(Path(temporary) / "wheel")
        problems = 0
        for number, given in enumerate(TRIES):
            problem = problem_with(kit, given, Path(temporary) / f"repository-{number}")
            print(f"{given.name}: {problem or 'as it must be'}")
            problems += bool(problem)
    return int(problems > 0)


if __name__ == "__main__":
    sys.exit(main())
