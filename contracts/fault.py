"""Whose fault an exception is: who owns each of its frames, and whether it is the adapter's. Pure.

An exception is said to be the adapter's only where that is certain: its innermost frame is in the adapter's
file, and it is not what a backend raised, handed over or gave as the reason. In doubt nothing is said.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tgi_conformance.contracts.outcome import ExceptionLink, Fault, Frame, Owner

#: Frames of one exception that are kept, the innermost ones.
MOST_FRAMES: Final = 20
#: What the caller of a call does to it, wherever it then shows.
FROM_OUTSIDE: Final = frozenset({"KeyboardInterrupt", "CancelledError", "GeneratorExit", "AbortError"})
#: Libraries that carry HTTP for any client. Adapters import them to name their exceptions, and who imports
#: nothing else is the client itself.
HTTP_LIBRARIES: Final = frozenset(
    {"aiohttp", "anyio", "curl_cffi", "grequests", "h11", "h2", "httpcore", "httplib2", "httpx", "httpx2"}
    | {"niquests", "pycurl", "requests", "requests_toolbelt", "tornado", "treq", "trio", "urllib3"}
    | {"axios", "cross-fetch", "got", "ky", "needle", "node-fetch", "superagent", "undici"}
)
#: In words.
WHOSE: Final = {"adapter": "the adapter's", "adapter-raise": "the adapter's own raise"}
_STANDARD: Final = "lib/"
_SAID: Final = re.compile(rf" at (\S+:\d+ in \S+) \({re.escape(WHOSE['adapter'])}\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterCode:
    """What a host knows of the adapter's code (``hello``, docs/adapter-protocol.md)."""

    #: Its files, as frames name them. None: nothing is known, and nothing is said.
    files: tuple[str, ...] = ()
    #: Packages and modules that it imports; those of the language and of the kit are left out.
    imports: tuple[str, ...] = ()
    #: Of these, the ones with native code, whose exceptions have no frames.
    native: tuple[str, ...] = ()
    #: Whether it spells out a generation route: then it builds the requests itself.
    routes: bool = False


NOTHING_KNOWN: Final = AdapterCode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Who owns what; ``packages`` are the backend's as declared, which count before what is imported."""

    code: AdapterCode = NOTHING_KNOWN
    packages: frozenset[str] = frozenset()
    #: Owners of the files met so far.
    _known: dict[str, Owner] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def backends(self) -> frozenset[str]:
        """Names of the backend's packages and modules."""
        return self.packages or frozenset(self.code.imports) - HTTP_LIBRARIES

    @property
    def one_file(self) -> bool:
        """Whether the adapter's file is the client itself: then nothing is the adapter's alone."""
        if self.packages:
            return any(_names(name, file, whole=False) for name in self.packages for file in self.code.files)
        return self.code.routes or not self.backends

    def owner(self, file: str) -> Owner:
        """Who owns a file."""
        if (known := self._known.get(file)) is None:
            known = self._known[file] = self._owner(file)
        return known

    def _owner(self, file: str) -> Owner:
        if file in self.code.files:
            return "backend" if self.one_file else "adapter"
        if file.startswith(_STANDARD):
            return "library"
        return "backend" if any(_names(name, file) for name in self.backends) else "library"

    def judge(self, chain: Sequence[ExceptionLink]) -> tuple[ExceptionLink, ...]:
        """Say whose each frame is, and which link is the adapter's fault, if one is."""
        links = [replace(link, frames=self._owned(link.frames)) for link in chain]
        reasons = list(_reasons(links))
        for number in reasons:
            fault = self._fault(links[number], last=number == reasons[-1])
            if fault != "unclear":
                links[number] = replace(links[number], fault=fault)
                break
        return tuple(links)

    def _owned(self, frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        return tuple(
            Frame(file=file, line=frame.line, function=frame.function, owner=self.owner(file))
            for frame in frames[:MOST_FRAMES]
            for file in (_below(frame.file),)
        )

    def _fault(self, link: ExceptionLink, *, last: bool) -> Fault:
        if not _in_adapter(link) or self._of_backend(link.type):
            return "unclear"
        if link.began == "failed" or (link.began == "called" and not self._native):
            return "adapter"
        if link.began == "unknown" and last:
            return "adapter"
        return "adapter-raise" if link.began == "raised" and last else "unclear"

    @property
    def _native(self) -> bool:
        return not self.backends.isdisjoint(self.code.native)

    def _of_backend(self, kind: str) -> bool:
        """Whether an exception's type is one that the backend raises, or its caller."""
        if kind.rpartition(".")[2] in FROM_OUTSIDE:
            return True
        module = kind.rpartition(".")[0].replace(".", "/")
        return bool(module) and any(_names(name, module) for name in self.backends)


def where_it_began(chain: Iterable[ExceptionLink]) -> str:
    """Say where an exception began, as far as that helps: the adapter's fault, or a statement that failed."""
    for number, link in enumerate(chain):
        if link.frames and link.fault != "unclear":
            return f" at {_place(link)}" if not number else f", from {link.type} at {_place(link)}"
        if link.frames and not number and link.began == "failed" and link.frames[0].owner == "backend":
            return f" at {link.frames[0]}"
    return ""


def began_in_adapter(chains: Iterable[Sequence[ExceptionLink]]) -> str:
    """The first exception of several calls that is the adapter's, with its place; empty: none is."""
    links = (link for chain in chains for link in chain if link.fault == "adapter" and link.frames)
    return next((f"{link.type} at {_place(link)}" for link in links), "")


def places_said(text: str) -> list[str]:
    """The places in the adapter that a text names, in the words of the functions above."""
    return _SAID.findall(text)


def _place(link: ExceptionLink) -> str:
    return f"{link.frames[0]} ({WHOSE[link.fault]})"


def _reasons(links: Sequence[ExceptionLink]) -> Iterable[int]:
    """Give the exception and what led to it, one after the other.

    What was merely being handled when something else went wrong (``context``) leads to it only where the
    adapter raised in its place on purpose; of the members of a group, only one alone does.
    """
    alone = sum(link.relation == "group" for link in links) == 1
    for number, link in enumerate(links):
        if number and link.relation == "group" and not alone:
            return
        if number and link.relation == "context":
            before = links[number - 1]
            if not _in_adapter(before) or before.began not in ("translated", "unknown"):
                return
        yield number


def _in_adapter(link: ExceptionLink) -> bool:
    return bool(link.frames) and link.frames[0].owner == "adapter"


def _names(name: str, file: str, *, whole: bool = True) -> bool:
    """Whether a name (``pkg.part``, ``@scope/pkg``, ``client.mjs``) is that file, or a package around it."""
    paths = {name, name.replace(".", "/")}
    inside = whole and any(file.startswith(f"{path}/") for path in paths)
    return inside or (bool(paths & {file, file.rpartition(".")[0]}) and bool(name))


def _below(file: str) -> str:
    """The path where it is relative; of an absolute one the name alone, since folders tell of the machine."""
    absolute = file.startswith(("/", "\\")) or file[1:3] in (":\\", ":/") or "://" in file
    return file.replace("\\", "/").rpartition("/")[2] if absolute else file
