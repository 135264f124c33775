"""Write the table by which shards are dealt: ``python docs/generate_durations.py FILE``.

FILE is the ``durations.json`` that a run of the reference leaves in its folder: seconds by case.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tgi_conformance.plugin.shards.durations import LEAST_SECONDS, TABLE

PLACE: Final = Path(__file__).parents[1] / "kit" / "plugin" / "shards" / TABLE


def table_of(seconds: Mapping[str, float]) -> str:
    """The table, a case a line: those that are long enough, in hundredths of a second."""
    long = {case: round(took, 2) for case, took in sorted(seconds.items()) if took >= LEAST_SECONDS}
    return json.dumps(long, indent=2) + "\n"


def main(arguments: list[str]) -> int:
    """Write the table."""
    (source,) = arguments
    PLACE.write_text(table_of(json.loads(Path(source).read_text(encoding="utf-8"))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
