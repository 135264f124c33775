"""A picture as SVG: shapes with classes, no colour and no script in it; the page's style does the rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from tgi_conformance.reports.html.wire.lanes import Band, Lane, Mark, Part, Picture
from tgi_conformance.reports.readable import visible

#: Units of the drawing: its width, where the lanes begin, and their heights.
_WIDTH: Final = 640
_LEFT: Final = 162
_RIGHT: Final = 20
_ROW: Final = 30
#: A row of attempts has room for their statuses below them, and one with waits for what is told of a breach.
_REQUEST_ROW: Final = 36
_WAITING_ROW: Final = 46
_TOP: Final = 8
_AXIS: Final = 26
#: A part thinner than this could not be seen.
_THINNEST: Final = 2.5
#: Units of a letter at the drawing's size of text, rounded up.
_LETTER: Final = 6.2
_LONGEST_LABEL: Final = 25
_STEPS: Final = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class _Axis:
    end: float

    def x(self, ms: float) -> float:
        share = min(max(ms, 0.0), self.end) / self.end
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * share, 1)


def svg(picture: Picture) -> Markup:
    """The picture as one ``svg`` element, with its contents in words for those who do not see it."""
    if not picture.lanes:
        return Markup()
    axis = _Axis(picture.end)
    bottom = _TOP + sum(map(_high, picture.lanes))
    shapes = [_grid(axis, bottom)]
    top: float = _TOP
    for lane in picture.lanes:
        shapes.append(_lane(axis, lane, top))
        top += _high(lane)
    return Markup('<svg class="wire" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, bottom + _AXIS, visible(_in_words(picture)), Markup("").join(shapes)
    )


def _high(lane: Lane) -> int:
    if lane.group != "request":
        return _ROW
    return _WAITING_ROW if lane.bands or lane.unwanted else _REQUEST_ROW


def _in_words(picture: Picture) -> str:
    attempts = [lane for lane in picture.lanes if lane.group == "request"]
    words = [f"{lane.label} at {', '.join(_moments(lane))} ms" for lane in attempts]
    wrong = [f"Breach: {breach}" for breach in picture.breaches]
    return ". ".join(("The wire in time", *words, *wrong)) + "."


def _moments(lane: Lane) -> list[str]:
    return [f"{part.start:.0f}" for part in lane.parts if part.kind == "asked"]


def _grid(axis: _Axis, bottom: float) -> Markup:
    lines = []
    for ms in _ticks(axis.end):
        x = axis.x(ms)
        lines.append(_line("grid", x, _TOP, x, bottom))
        lines.append(_text("unit", x, bottom + 16, f"{round(ms, 4):.10g} ms", "middle"))
    return Markup("").join(lines)


def _ticks(end: float) -> Iterator[float]:
    """Round figures from 0, three to seven of them."""
    power = 10.0 ** (len(str(int(max(end, 1)))) - 3)
    step = next(
        size for size in (power * 10**ten * one for ten in range(4) for one in _STEPS) if end / size <= 6
    )
    count = 0
    while count * step <= end:
        yield round(count * step, 4)
        count += 1


def _lane(axis: _Axis, lane: Lane, top: float) -> Markup:
    shown = lane.label if len(lane.label) <= _LONGEST_LABEL else lane.label[: _LONGEST_LABEL - 1] + "…"
    middle = top + _high(lane) / 2
    shapes = [_text("name", 0, middle + 4, shown, title=lane.label)]
    shapes += [_band(axis, band, top) for band in lane.bands]
    shapes += [_part(axis, part, middle, lane.group) for part in lane.parts]
    shapes += _labels(axis, lane, middle)
    shapes += [_mark(axis, mark, middle) for mark in lane.marks]
    shapes += [_breach(axis, at, top, told) for at, told in _breaches(lane)]
    return Markup('<g class="of-{}">{}</g>').format(lane.group, Markup("").join(shapes))


def _breaches(lane: Lane) -> Iterator[tuple[float, str]]:
    for band in lane.bands:
        if band.breach is not None:
            yield band.breach, f"breach: after {band.waited:.3f} s, not before {band.seconds:g} s"
        elif band.missed and band.due is not None:
            yield band.due, f"breach: {band.missed}"
    yield from ((at, f"breach: {why}") for at, why in lane.unwanted[:3])


def _band(axis: _Axis, band: Band, top: float) -> Markup:
    left, right = axis.x(band.start), axis.x(band.end)
    before = f"no attempt before: {band.why}"
    shapes = Markup("")
    if band.seconds:
        shapes += _box("band", left, top + 1, max(right - left, _THINNEST), _WAITING_ROW - 2, before)
    if band.due is not None:
        wide = max(axis.x(band.due) - right, _THINNEST)
        shapes += _box("due", right, top + 1, wide, _WAITING_ROW - 2, f"expected by: {band.why}")
    return shapes


def _part(axis: _Axis, part: Part, middle: float, group: str) -> Markup:
    left = axis.x(part.start)
    width = max(axis.x(part.end) - left, _THINNEST)
    if part.kind == "client":
        return _line("client", left, middle, left + width, middle, _told(part))
    high = {"open": 3, "call": 10}.get(part.kind, 10 if group == "connection" else 16)
    return _box(part.kind, left, middle - high / 2, width, high, _told(part))


def _told(part: Part) -> str:
    return f"{part.label or part.kind}: {part.start:.1f} to {part.end:.1f} ms"


def _labels(axis: _Axis, lane: Lane, middle: float) -> Iterator[Markup]:
    """Statuses of attempts and lengths of the client's waits, where there is room."""
    if lane.group != "request":
        return
    free = 0.0
    for part in sorted(lane.parts, key=lambda part: part.start):
        left = axis.x(part.start)
        if part.kind == "client":
            text = f"{part.end - part.start:.0f} ms"
            if axis.x(part.end) - left > len(text) * _LETTER + 8:
                yield _text("wait", (left + axis.x(part.end)) / 2, middle - 4, text, "middle")
        elif part.kind == "asked" and left >= free:
            yield _text("status", left, middle + 18, part.label)
            free = left + len(part.label) * _LETTER + 4


def _mark(axis: _Axis, mark: Mark, middle: float) -> Markup:
    x = axis.x(mark.at)
    if mark.kind == "piece":
        return _line("piece", x, middle - 10, x, middle + 10)
    if mark.kind == "ended":
        return _line("ended", x, middle - 8, x, middle + 8, mark.label)
    if mark.kind == "closed":
        shape = _line("closed", x, middle - 7, x, middle + 8, mark.label)
    else:
        shape = _line(mark.kind, x - 5, middle - 6, x + 5, middle + 6, mark.label)
        shape += _line(mark.kind, x - 5, middle + 6, x + 5, middle - 6)
    return shape + _beside(x, middle + 4, mark.label, mark.kind)


def _breach(axis: _Axis, at: float, top: float, told: str) -> Markup:
    x = axis.x(at)
    return (
        _line("breach", x, top + 2, x, top + _WAITING_ROW - 2, told)
        + Markup('<path class="breach" d="M{} {}l-5 -9h10z"/>').format(x, top + 11)
        + _beside(x, top + 11, told, "breach")
    )


def _beside(x: float, y: float, label: str, name: str) -> Markup:
    """Text to the right of a mark, or to its left where it would leave the drawing."""
    if x + 8 + len(label) * _LETTER <= _WIDTH:
        return _text(f"{name} told", x + 8, y, label)
    return _text(f"{name} told", x - 8, y, label, "end")


def _box(name: str, x: float, y: float, width: float, height: float, title: str) -> Markup:
    return Markup(
        '<rect class="{}" x="{}" y="{}" width="{:.1f}" height="{}"><title>{}</title></rect>'
    ).format(name, x, y, width, height, visible(title))


def _line(name: str, x: float, y: float, to_x: float, to_y: float, title: str = "") -> Markup:
    told = Markup("<title>{}</title>").format(visible(title)) if title else ""
    return Markup('<path class="{}" d="M{:.1f} {:.1f}L{:.1f} {:.1f}">{}</path>').format(
        name, x, y, to_x, to_y, told
    )


def _text(name: str, x: float, y: float, text: str, anchor: str = "", title: str = "") -> Markup:
    where = Markup(' text-anchor="{}"').format(anchor) if anchor else ""
    told = Markup("<title>{}</title>").format(visible(title)) if title and title != text else ""
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}"{}>{}{}</text>').format(
        name, x, y, where, escape(visible(text)), told
    )
