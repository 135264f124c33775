"""The sources behind the kill matrix: the functions looked at, and the digests that a resumed run trusts."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import tgi_conformance
from tgi_conformance.backends import reference
from tgi_conformance.contracts import sse

ROOMS = ("contracts", "fake_server", "backends", "reports", "suites")
#: Folders whose functions are looked at: the client's own, and those of the codec it reads streams with.
WATCHED = (str(Path(reference.__file__).parent), str(Path(sse.__file__).parent))
_TEXTS = {".py", ".toml", ".json", ".txt"}


def name_of(path: str, qualname: str) -> str:
    """How a function is called here: its file's name and its own."""
    return f"{Path(path).name}:{qualname}"


def digest_of_the_kit() -> str:
    """A digest of all that a verdict rests on but the mutant itself: the kit and each of its rooms."""
    kit = Path(tgi_conformance.__file__).parent
    rooms = [Path(file).parent for file in _room_files()]
    return digest_of(
        {file for folder in (kit, *rooms) for file in folder.rglob("*") if file.suffix in _TEXTS}
    )


def digest_of(files: Iterable[Path]) -> str:
    """A digest of these files' names and contents."""
    whole = hashlib.sha256()
    for file in sorted(files):
        whole.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return whole.hexdigest()[:16]


def _room_files() -> Iterable[str]:
    for room in ROOMS:
        module = __import__(f"tgi_conformance.{room}", fromlist=["__file__"])
        yield str(module.__file__)
