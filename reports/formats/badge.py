"""A badge for a README: as SVG, and as JSON in the form that shields' endpoint badge reads. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.reports.gating.reached import level_reached
from tgi_conformance.reports.readable import visible
from tgi_conformance.reports.results_map import ResultsMap
from tgi_conformance.reports.ruling_marks import Tone, in_words
from tgi_conformance.reports.run import BackendInfo, Run

LABEL: Final = "TGI conformance"
#: Names that shields knows, and the same colours for the SVG.
_COLOURS: Final[Mapping[Tone, tuple[str, str]]] = {
    "good": ("brightgreen", "#2e7d32"),
    "warn": ("yellow", "#8d6e00"),
    "bad": ("red", "#c62828"),
}
_GREY: Final = ("lightgrey", "#616161")
#: Pixels: the mean width of a character at 11 px, and what stands left and right of a text.
_CHARACTER: Final = 6.6
_PADDING: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """What a badge says."""

    message: str
    #: As shields names it.
    colour: str
    #: As CSS has it.
    hexadecimal: str


def badge_of(run: Run, backend: BackendInfo, results: ResultsMap) -> Badge:
    """The level that is reached, or how many keys of the results map are Success.

    The profile is told if it is not the default. A level is one of what the backend claims.
    """
    verdicts = run.of(backend.name)
    words, level = in_words(verdicts, backend.claims), level_reached(verdicts)
    tone: Tone = words.tone if level is None else "warn" if level.id == "safe" else "good"
    colour, hexadecimal = _COLOURS.get(tone, _GREY)
    keys = f"{len(results.values) - len(results.failed)} of {len(results.values)} keys"
    message = level.id if level is not None else keys if results.failed else words.title.lower()
    profile = f" ({run.info.profile})" if run.info.profile != "default" else ""
    return Badge(message=message + profile, colour=colour, hexadecimal=hexadecimal)


def badge_json(badge: Badge) -> Mapping[str, JSON]:
    """What shields reads from a URL."""
    return {"schemaVersion": 1, "label": LABEL, "message": badge.message, "color": badge.colour}


def badge_svg(badge: Badge) -> str:
    """The badge as a picture of its own, which needs no service and no font."""
    left, right = _width(LABEL), _width(badge.message)
    said, size = escape(visible(f"{LABEL}: {badge.message}")), f'width="{left + right}" height="20"'
    coloured = f"M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right - 3}z"
    font = 'text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{said}">\n'
        f"<title>{said}</title>\n"
        f'<rect {size} rx="3" fill="#444"/>\n'
        f'<path d="{coloured}" fill="{badge.hexadecimal}"/>\n'
        f'<g fill="#fff" {font}>\n'
        f"{_text(LABEL, left / 2, left)}{_text(badge.message, left + right / 2, right)}"
        "</g>\n</svg>\n"
    )


def _text(text: str, middle: float, width: int) -> str:
    return f'<text x="{middle}" y="14" textLength="{width - _PADDING}">{escape(visible(text))}</text>\n'


def _width(text: str) -> int:
    return round(len(text) * _CHARACTER) + _PADDING
