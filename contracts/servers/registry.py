"""The folders beside this module, read: which servers there are, what each is, and where that is known from.

A server is ``<name>/server.toml``. Its table ``traits`` holds what sets it apart from TGI 3.3, by the names
of :class:`tgi_conformance.contracts.tgi.personas.Traits`; what it leaves out is as in TGI 3.3.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, Literal

from tgi_conformance.contracts.codec import DecodeError, from_json
from tgi_conformance.contracts.json_types import JSON

_FILE: Final = "server.toml"


class ServerFileError(ValueError):
    """A ``server.toml`` does not say what it must; the text names the file and the place in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFile:
    """What the file of a server says of it."""

    #: The name of its folder, as ``--server`` and ``persona`` take it.
    name: str
    #: What it is, in a few words.
    title: str
    #: The version that it tells of itself, or that was looked at; empty where there is none.
    version: str = ""
    #: Whether its traits were seen in recordings of the genuine server, or inferred from sources and reports.
    source: Literal["recorded", "inferred"]
    #: Where they come from, in a sentence.
    known_from: str
    #: What sets it apart from TGI 3.3.
    traits: Mapping[str, JSON] = field(default_factory=dict)

    def wrong(self, problem: DecodeError) -> ServerFileError:
        """The error for what is wrong in its traits, with the file's name and the place in it."""
        return _wrong(self.name, problem.below("/traits"))


@cache
def servers() -> Mapping[str, ServerFile]:
    """Every server by its name, in alphabetical order; raises :class:`ServerFileError`."""
    folders = sorted(
        (entry for entry in files(__package__ or "").iterdir() if entry.joinpath(_FILE).is_file()),
        key=lambda entry: entry.name,
    )
    read = (parse_server(one.name, one.joinpath(_FILE).read_text(encoding="utf-8")) for one in folders)
    return MappingProxyType({server.name: server for server in read})


def parse_server(name: str, text: str) -> ServerFile:
    """Read the text of a server's file; raises :class:`ServerFileError`."""
    try:
        return from_json(ServerFile, {**tomllib.loads(text), "name": name})
    except (tomllib.TOMLDecodeError, DecodeError) as problem:
        raise _wrong(name, problem) from problem


def _wrong(name: str, problem: Exception) -> ServerFileError:
    return ServerFileError(f"contracts/servers/{name}/{_FILE}: {problem}")
