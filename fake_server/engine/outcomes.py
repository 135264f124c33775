"""What was decided for a request: before it is laid out, and after.

Named tuples, since one of each is made for every request that is decided anew: a frozen dataclass takes three
times as long.
"""

from typing import NamedTuple

from tgi_conformance.fake_server.engine.answers import Said
from tgi_conformance.fake_server.engine.plans import KeepAlive, Plan
from tgi_conformance.fake_server.journal.metrics import Seen


class Outcome(NamedTuple):
    """What a request gets, what that takes while it runs, and what the metrics count."""

    said: Said
    permits: int = 0
    seen: Seen | None = None
    #: The connection is closed after it, without a word in the head, however the script delivers (413,
    #: measured).
    closes: bool = False
    keep_alive: KeepAlive | None = None


class Played(NamedTuple):
    """A plan, the permits that it takes while it runs, and what the metrics count."""

    plan: Plan
    permits: int = 0
    seen: Seen | None = None
