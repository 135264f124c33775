"""Each command of the kit that a page shows runs: with stand-ins for the reader's client, server and results.

A page's commands run in its order, in a folder of its own. A whole run is narrowed to a few cases, for it is
the command that is looked at here and not the suite. Those for published clients are run from their locks, by
``tests/board.py --run`` and ``tests/requirement_sets.py``; those of docs/reports.md and
docs/write-an-adapter.md run, unchanged, in tests of their own.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from documented_pages import PAGES, ROOT, shown
from forked_cli import ForkedCli
from laboratory import LABORATORY
from mini_backend import MINI, environment_in
from stand_in_clients import NATIVE_CLIENT

from tgi_conformance.contracts.script import Generation, Reply, Script
from tgi_conformance.fake_server.client import FakeServer

START: Final = "import sys; from tgi_conformance.cli import main; sys.exit(main())"
CASE: Final = ("--case", "RESP-02/native-*")
#: Pages whose commands are run, as they are, by tests of their own.
ELSEWHERE: Final = ("reports.md", "write-an-adapter.md")
#: What must have been run in the folder before; a page may show it in another place, or in words.
BEFORE: Final[Mapping[str, tuple[str, ...]]] = {
    "reproduce STREAM-03/chat-cr": ("run --case STREAM-03/chat-cr --evidence all",),
    "merge shard-1 shard-2": ("run --shard 1/2 --results shard-1", "run --shard 2/2 --results shard-2"),
    "serve --port 8080 --replay recordings --replay-speed 0": (
        "record --cases https://tgi.example.org recordings",
    ),
}
NARROWED: Final = ("--case", "-k", "--last-failed")
#: The locked clients' interpreters, which a reader makes.
LOCKED: Final = re.compile(r"(?:[a-z0-9]+/bin/python|env/published/\S+)$")


@dataclass(frozen=True)
class Stand:
    """A folder in which a page's commands can be run, and the server that stands for the reader's."""

    folder: Path
    server: str
    cli: ForkedCli

    def run(self, words: tuple[str, ...]) -> tuple[int, str]:
        """Run a command that ends."""
        out = self.folder / "out.txt"
        code, _ = self.cli.run(self.adapted(words), self.folder, out, timeout=150)
        return code, out.read_text(encoding="utf-8", errors="replace")

    def adapted(self, words: tuple[str, ...]) -> list[str]:
        """The words with our server in the place of the reader's, short, and in one process."""
        told = [
            re.sub(r"https://tgi\.example\.org|http://127\.0\.0\.1:8080", self.server, word) for word in words
        ]
        if words[0] != "run":
            return told
        narrow = [] if any(word in NARROWED for word in words) else list(CASE)
        return [*told, *narrow, "-n", "0"]


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedCli]:
    with closing(ForkedCli(environment_in(tmp_path_factory.mktemp("cli")))) as forked:
        yield forked


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server that generates: what stands for the reader's own."""
    with FakeServer.start() as fake, fake.space(Script(otherwise=Reply(tgi=Generation(toy=True)))) as space:
        yield space.base_url


@pytest.fixture
def stand(tmp_path: Path, server: str, cli: ForkedCli) -> Stand:
    """A reader's folder: clients of theirs, results of earlier runs, and the project's own files."""
    adapter = MINI.replace("class Mini:", "class Adapter:").replace("(Mini)", "(Adapter)")
    for name in ("my_adapter", "other_adapter", "conformance_adapter", "path/to/my_adapter"):
        _write(tmp_path / f"{name}.py", adapter)
    _write(tmp_path / "mypkg" / "adapter.py", adapter.replace("Adapter", "MyAdapter"))
    for name in ("tests", "docs", "backends"):
        (tmp_path / name).symlink_to(ROOT / name)
    _write(tmp_path / "adapter.mjs", f'import "{ROOT}/docs/examples/node/adapter.mjs";\n')
    _write(tmp_path / "conformance" / "adapter.mjs", f'import "{ROOT}/docs/examples/node/adapter.mjs";\n')
    archive = max((ROOT / "docs" / "board").glob("reference.tgi-3.3.*.tar.xz"))
    for name in ("collected_results", "collected_results/previous", "results-of-main", "results/2026-11-01"):
        _unpack(archive, tmp_path / name)
    _let_it_be_short(tmp_path / "collected_results" / "run.json")
    for name in ("results/2026-12-01", "results/client-a", "results/client-b", "before", "after", "shard-0"):
        _unpack(archive, tmp_path / name)
    _write(tmp_path / "path" / "to" / "repository" / "my_client.py", NATIVE_CLIENT)
    shutil.make_archive(str(tmp_path / "artefacts"), "zip", tmp_path / "results" / "client-a")
    _write(tmp_path / "laboratory-recordings" / "gen-minimal.json", json.dumps(LABORATORY))
    _write(tmp_path / "script.json", '{"replies": []}')
    _write(tmp_path / "torn.json", '{"replies": [{"forward": {}, "requests": [0, null]}]}')
    _write(tmp_path / "overloaded-once.json", '{"replies": [{"response": {"status": 429}}]}')
    return Stand(tmp_path, server, cli)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _let_it_be_short(file: Path) -> None:
    """Have a run be one of a few cases where it is made again."""
    members = json.loads(file.read_text(encoding="utf-8"))
    _write(file, json.dumps(members | {"command": " ".join(("tgi-conformance run -n 0", *CASE))}))


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            _write(folder / member.name, content.read().decode("utf-8"))


def run_here(page: Path) -> list[tuple[str, ...]]:
    """The commands of a page, but for those of published clients."""
    every = () if page.name in ELSEWHERE else dict.fromkeys(shown(page))
    return [words for words in every if not any(LOCKED.search(word) for word in words)]


@pytest.mark.parametrize("page", [page for page in PAGES if run_here(page)], ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page: Path, stand: Stand) -> None:
    problems = {}
    for words in run_here(page):
        for earlier in BEFORE.get(" ".join(words), ()):
            assert stand.run(tuple(earlier.split()))[0] in {0, 1}
        code, out = _served(stand, words) if words[0] == "serve" else stand.run(words)
        nothing_red = "--last-failed" in words and "no case was red in the last run" in out
        # 1: the client that stands there has red cases.
        if not nothing_red and (code not in {0, 1} or "Traceback" in out):
            problems[" ".join(words)] = f"{code}: {out[-600:]}"
    assert problems == {}, "\n".join(f"{words}\n   {said}" for words, said in problems.items())


def _served(stand: Stand, words: tuple[str, ...]) -> tuple[int, str]:
    """Start a server, wait for its first line, and end it: 0 where it said that it is ready."""
    adapted = [
        "0" if before == "--port" else word
        for before, word in zip(("", *words), stand.adapted(words), strict=False)
    ]
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", START, *adapted],
        cwd=stand.folder,
        env=environment_in(stand.folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write('{"replies": []}')
        process.stdin.close()
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    return (0 if "http://127.0.0.1:" in first else process.returncode), first + rest
