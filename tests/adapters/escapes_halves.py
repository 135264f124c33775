"""The second client, but half a character goes out escaped, as JSON allows, where that one refuses it."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parents[1] / "second_client"))

import second_writing
from second import Second


def escaped(body, **_):
    """JSON in ASCII alone."""
    return json.dumps(body, allow_nan=False)


second_writing.json = SimpleNamespace(dumps=escaped)


class Escaping(Second):
    """What the adapter is loaded by."""
