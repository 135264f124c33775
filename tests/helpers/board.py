"""The board of our own runs, made of what docs/board/ holds; ``tox -e board`` runs it.

    python tests/board.py --out site
    python tests/board.py --run
    python tests/board.py --run --only huggingface_hub:AsyncAdapter --server tgi-2
    python tests/board.py --pack DIR --as NAME

It is made twice, and each byte must be the same. With ``--run`` the reference, the Node example and every
face of the published clients are run first, each client in an environment that is made from its lock, and
each run is put into docs/board/ in place of one of the same face, server and day. That needs a package index.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from board_inputs import NotPackable, packed
from published_runs import environment, words_of
from suite_runs import ROOT, verdicts_of

from tgi_conformance.backends.published.faces import Client, published_clients
from tgi_conformance.reports.board.entry import USUAL_SERVER
from tgi_conformance.reports.layout import file_name

INPUTS: Final = ROOT / "docs" / "board"
DEFAULT_OUT: Final = ROOT / "build" / "board"
#: Seconds after which a run is given up.
PATIENCE: Final = 1800
OWN: Final = {
    "reference": (),
    "node": ("--backend-command", "node docs/examples/node/adapter.mjs"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What is run once for each server; a face of ours has no client."""

    name: str
    client: Client | None = None
    #: Of the client.
    face: str = ""

    @property
    def label(self) -> str:
        """How its files begin."""
        return file_name(f"{self.name}.{self.face}" if self.face else self.name)

    def is_named(self, word: str) -> bool:
        """Whether ``--only`` means it: by client, or by client and face."""
        return word in (self.name, f"{self.name}:{self.face}")


def faces() -> list[Face]:
    """Ours, and those of the published clients, in the order in which they are run."""
    published = [
        Face(name=client.name, client=client, face=face)
        for client in published_clients()
        for face in client.faces
    ]
    return [*(Face(name=name) for name in OWN), *published]


def made(out: Path, inputs: Path = INPUTS) -> None:
    """Make the board of the inputs twice, there and beside, and compare; ends the process if they differ."""
    with tempfile.TemporaryDirectory() as temporary:
        again = Path(temporary) / "again"
        for folder in (out, again):
            _board(inputs, folder)
        first, second = _bytes(out), _bytes(again)
    if first != second:
        names = [name for name in sorted({*first, *second}) if first.get(name) != second.get(name)]
        sys.exit(f"the board is not the same when it is made again: {', '.join(names[:5])}")
    print(f"{out}: {len(first)} files, {sum(map(len, first.values())):,} bytes, the same twice", flush=True)


def run(wanted: Sequence[Face], servers: Sequence[str], inputs: Path = INPUTS) -> list[str]:
    """Run the faces on each server, and keep the runs; returns what went wrong, a line each."""
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, group in groupby(wanted, key=lambda face: face.name):
            try:
                problems += _client(list(group), servers, Path(temporary) / name, inputs)
            except subprocess.CalledProcessError as error:
                problems.append(f"{name} could not be installed: {error}")
    return problems


def keep(results: Path, label: str, inputs: Path = INPUTS, installed: Path | None = None) -> Path:
    """Put the run of a results folder into the inputs; raises ``NotPackable``."""
    info, server, content = packed(results, installed)
    path = inputs / f"{label}.{file_name(server)}.{info.started[:10]}.tar.xz"
    inputs.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _client(group: Sequence[Face], servers: Sequence[str], place: Path, inputs: Path) -> list[str]:
    """Run the faces of one client, in an environment for all of them."""
    client, installed = group[0].client, place / "environment"
    if client is not None:
        installed = environment(client, installed)
    return [
        problem
        for face in group
        for server in servers
        for problem in _one(face, server, place / f"{face.label}.{server}", installed, inputs)
    ]


def _one(face: Face, server: str, folder: Path, place: Path, inputs: Path) -> Iterator[str]:
    words = ["-n", "2", *_words(face, place), *([] if server == USUAL_SERVER else ["--server", server])]
    print(f"{face.label} on {server} …", flush=True)
    problem, verdicts = verdicts_of(words, folder, patience=PATIENCE)
    if problem:
        out = (folder / "out.txt").read_text(encoding="utf-8", errors="replace")
        yield f"{face.label} on {server}: {problem}\n{out[-2000:]}"
        return
    try:
        path = keep(folder, face.label, inputs, place)
    except NotPackable as why:
        yield f"{face.label} on {server}: {why}"
        return
    red = sum(verdict["ruling"] in ("failed", "blocked", "untestable") for verdict in verdicts)
    print(f"    {path.name}: {path.stat().st_size:,} bytes, {red} red of {len(verdicts)}", flush=True)


def _words(face: Face, place: Path) -> list[str]:
    if face.client is None:
        return list(OWN[face.name])
    return words_of(face.client, face.face, place)


def _board(inputs: Path, out: Path) -> None:
    start = "import sys; from tgi_conformance.cli import main; sys.exit(main())"
    words = ["board", str(inputs), "--out", str(out)]
    subprocess.run([sys.executable, "-c", start, *words], check=True)


def _bytes(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def parser_of_options() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder for the pages")
    parser.add_argument("--run", action="store_true", help="make new runs first")
    parser.add_argument("--only", action="append", metavar="NAME[:FACE]", help="run this one; repeatable")
    parser.add_argument("--server", action="append", metavar="NAME", help="run on this server; repeatable")
    parser.add_argument("--pack", type=Path, metavar="DIR", help="keep the run of this results folder")
    parser.add_argument("--as", dest="label", metavar="NAME", help="with --pack: how its file begins")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Do what the options ask for; returns 1 where a run did not come to its end."""
    parser = parser_of_options()
    given = parser.parse_args(words)
    if (given.pack is None) != (given.label is None):
        parser.error("--pack and --as go together")
    if (given.only or given.server) and not given.run:
        parser.error("--only and --server are for --run")
    every = faces()
    for word in given.only or ():
        if not any(face.is_named(word) for face in every):
            names = [f"{face.name}:{face.face}".rstrip(":") for face in every]
            parser.error(f"--only {word}: there is {', '.join(names)}")
    if given.pack is not None:
        try:
            print(keep(given.pack, file_name(given.label)), flush=True)
        except NotPackable as why:
            parser.error(str(why))
    wanted = [face for face in every if not given.only or any(map(face.is_named, given.only))]
    problems = run(wanted, given.server or [USUAL_SERVER]) if given.run else []
    made(given.out)
    for problem in problems:
        print(problem, file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
