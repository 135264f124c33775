"""How each backend described itself: noted by the worker that started it, read by the controller."""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.contracts.codec import from_json, to_json
from tgi_conformance.reports.layout import file_name
from tgi_conformance.reports.run import BackendInfo

_PREFIX: Final = "backend-"
_DOWN: Final = "down-"
#: Method -> the capabilities that need it; implemented although none of them is claimed, it is hidden.
_METHODS: Final[Mapping[str, frozenset[str]]] = {
    "generate": frozenset({"native"}),
    "chat": frozenset({"chat"}),
    "completions": frozenset({"completions"}),
    "test_endpoint": frozenset({"probe"}),
    "get_stats": frozenset({"stats"}),
    "reset_stats": frozenset({"reset"}),
    "update_endpoint": frozenset({"update"}),
    "submit": frozenset({"queue", "cancel", "async"}),
    "close": frozenset({"close"}),
    "close_endpoint": frozenset({"close", "keys"}),
}


def hidden(implemented: Collection[str], claimed: Collection[str]) -> tuple[str, ...]:
    """Return the methods that are implemented although no claimed capability needs them."""
    return tuple(
        method
        for method, needed_by in _METHODS.items()
        if method in implemented and needed_by.isdisjoint(claimed)
    )


def info_of(driver: Driver, spec: str) -> BackendInfo:
    """What reports say of a backend that was named ``spec`` on the command line."""
    description = driver.description
    return BackendInfo(
        name=description.name,
        version=description.version,
        spec=spec,
        language=driver.language,
        claimed=tuple(sorted(description.capabilities)),
        hidden=hidden(driver.implemented, description.capabilities),
        fence=driver.fence,
        allow_network=driver.spec.allow_network,
        description=to_json(description),
    )


def note_backend(scratch: Path, label: str, driver: Driver) -> None:
    """Write down a backend's description; every worker writes the same."""
    _note(scratch / f"{_PREFIX}{file_name(label)}.json", json.dumps(to_json(info_of(driver, label))))


def note_down(scratch: Path, label: str, reason: str) -> None:
    """Write down that a backend did not start or could not describe itself."""
    _note(scratch / f"{_DOWN}{file_name(label)}.txt", reason)


def _note(target: Path, content: str) -> None:
    if target.exists():
        return
    draft = target.with_suffix(f".{os.getpid()}.part")
    draft.write_text(content, encoding="utf-8")
    draft.replace(target)


def backends_seen(scratch: Path) -> dict[str, BackendInfo]:
    """Return what was noted, by label."""
    infos = (
        from_json(BackendInfo, json.loads(file.read_text(encoding="utf-8")))
        for file in sorted(scratch.glob(f"{_PREFIX}*.json"))
    )
    return {info.spec: info for info in infos}


def backends_down(scratch: Path) -> tuple[str, ...]:
    """Return a sentence for each backend that did not start."""
    return tuple(file.read_text(encoding="utf-8") for file in sorted(scratch.glob(f"{_DOWN}*.txt")))
