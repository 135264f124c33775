"""The report page as a reader has it: its HTML, and what unfolds in it."""

import re

from tgi_conformance.reports.html.inside import unpack

_PACK = re.compile(r'<template class="pack"[^>]*>([^<]*)</template>')
_TEXTS = re.compile(r'<template id="texts">([^<]*)</template>')


def behind(page: str) -> dict[str, str]:
    """Every packed fragment, by the id of the element that it opens in; evidence under ``evidence ID``."""
    first, *evidence = (unpack(found) for found in _PACK.findall(page))
    return first | {f"evidence {name}": text for pack in evidence for name, text in pack.items()}


def unfolded(page: str) -> str:
    """The page with all that is packed in place of the packs."""
    return _PACK.sub(lambda found: "".join(f"<div>{part}</div>" for part in unpack(found[1]).values()), page)


def texts(page: str) -> dict[str, str]:
    """What the page copies for a colleague or a model, by the id of the cause."""
    found = _TEXTS.search(page)
    return unpack(found[1]) if found else {}
