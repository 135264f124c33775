"""How long cases take, as far as they take long: the table that comes with the kit, ``durations.json``.

It is made from a run of the reference by ``python docs/generate_durations.py``.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

TABLE: Final = "durations.json"
#: Seconds from which on a case is in the table: shorter ones come to the same sum in any large part of them.
LEAST_SECONDS: Final = 0.05


@cache
def usual_durations() -> Mapping[str, float]:
    """Seconds by case, of those that take :data:`LEAST_SECONDS` or more."""
    table = json.loads(files(__package__ or "").joinpath(TABLE).read_text(encoding="utf-8"))
    return {str(case): float(seconds) for case, seconds in table.items()}
