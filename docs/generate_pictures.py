"""Make the pictures of docs/reports.md: writes the pages of two red runs, and photographs them.

python docs/generate_pictures.py            # writes docs/pictures/*.png; needs Chromium, takes half a minute
"""

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

from browser import chromium, look  # noqa: E402
from causes_measured import recorded  # noqa: E402
from playwright.sync_api import Browser  # noqa: E402
from verdict_builder import run_of, verdict  # noqa: E402

from tgi_conformance.contracts.catalogue.clauses import load_catalogue  # noqa: E402
from tgi_conformance.contracts.verdict import Ruling  # noqa: E402
from tgi_conformance.reports.run import BackendInfo  # noqa: E402
from tgi_conformance.reports.run_folder import write_all  # noqa: E402

PICTURES: Final = ROOT / "docs" / "pictures"
#: Comes back before the Retry-After is over, and nothing else.
EARLY: Final = ("tests/mutants/retry.py:IgnoresRetryAfter", "--case", "RETRY-04")
#: A published client whose red cases were recorded (tests/of_reports/field), as it describes itself.
CLIENT: Final = BackendInfo(
    name="huggingface_hub",
    version="2.4.0",
    claimed=("chat", "close", "core", "grammar", "img", "keys", "native", "stream", "timeout", "tools"),
)
#: Cases that its last run is to have been without, and as many that it had instead.
NEW: Final = 6


def client_page(folder: Path) -> Path:
    """The page of a published client's run: its red cases as they were recorded, all other clauses passed."""
    red = [
        verdict(one.case, one.ruling, backend=CLIENT.name, sign=one.sign, reason=one.reason)
        for one in recorded("hub")
    ]
    seen = {one.clause for one in red}
    others = [clause.id for clause in load_catalogue() if clause.id not in seen]
    passed = [verdict(f"{name}/all", backend=CLIENT.name) for name in others]
    before = [replace(one, ruling=Ruling.PASSED) for one in red[:NEW]] + red[NEW:]
    before += [replace(one, ruling=Ruling.FAILED) for one in passed[:NEW]]
    for verdicts in (before, [*red, *passed]):
        write_all(run_of(*verdicts, backends=(CLIENT,)), folder)
    return folder / "report.html"


def report(folder: Path, spec: str, *options: str) -> Path:
    """Run the suites on a backend; returns the page of the run."""
    command = [
        str(Path(sys.executable).with_name("tgi-conformance")),
        "run",
        "-n",
        "2",
        "--backend",
        spec,
        *options,
    ]
    ended = subprocess.run(
        [*command, "--results", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    pages = sorted(folder.rglob("report.html"))
    if len(pages) != 1:
        raise SystemExit(f"{spec}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return pages[0]


def shoot(browser: Browser, early: Path, client: Path) -> None:
    """Photograph the first screen, the wire in time, and a case on a phone."""
    PICTURES.mkdir(exist_ok=True)
    look(browser, client, width=1280, height=900).page.screenshot(path=PICTURES / "first-screen.png")

    page = look(browser, early, "#RETRY-04__stream", width=1080).page
    page.wait_for_selector(".case.chosen svg.wire")
    page.locator(".case.chosen figure.wire").first.screenshot(path=PICTURES / "wire.png")

    phone = look(browser, early, "#RETRY-04__stream", width=390, height=780, dark=True).page
    phone.wait_for_selector(".case.chosen svg.wire")
    phone.screenshot(path=PICTURES / "phone.png")


def main() -> None:
    """Run, look, write."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        early = report(Path(folder) / "early", *EARLY)
        shoot(browser, early, client_page(Path(folder) / "client"))
    for picture in sorted(PICTURES.glob("*.png")):
        print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
