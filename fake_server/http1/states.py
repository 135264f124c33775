"""The two machines of a connection, as tables: its life, and the turn of one exchange after another.

A move that a table does not have is impossible: whoever meets one has found a mistake of this server.
"""

from collections.abc import Mapping
from enum import IntEnum, auto, unique
from typing import Final


@unique
class Life(IntEnum):
    """How a connection stands with both sides."""

    #: Requests are served.
    OPEN = auto()
    #: The exchange that runs is the last one.
    DRAINING = auto()
    #: This side has ended it, or serves nothing more on it.
    ENDED = auto()
    #: This side has answered and ended it; what still comes is read and dropped.
    LINGERING = auto()
    #: The client has left.
    LEFT = auto()
    #: Both have.
    OVER = auto()
    #: The socket is gone.
    LOST = auto()


@unique
class LifeMove(IntEnum):
    """What happens to a connection."""

    DRAIN = auto()
    END = auto()
    LINGER = auto()
    LEAVE = auto()
    LOSE = auto()


LIFE: Final[Mapping[Life, Mapping[LifeMove, Life]]] = {
    Life.OPEN: {
        LifeMove.DRAIN: Life.DRAINING,
        LifeMove.END: Life.ENDED,
        LifeMove.LINGER: Life.LINGERING,
        LifeMove.LEAVE: Life.LEFT,
        LifeMove.LOSE: Life.LOST,
    },
    Life.DRAINING: {
        LifeMove.DRAIN: Life.DRAINING,
        LifeMove.END: Life.ENDED,
        LifeMove.LINGER: Life.LINGERING,
        LifeMove.LEAVE: Life.LEFT,
        LifeMove.LOSE: Life.LOST,
    },
    # A plan may still come to its end on a connection that was ended under it.
    Life.ENDED: {
        LifeMove.DRAIN: Life.ENDED,
        LifeMove.END: Life.ENDED,
        LifeMove.LINGER: Life.LINGERING,
        LifeMove.LEAVE: Life.OVER,
        LifeMove.LOSE: Life.LOST,
    },
    # Its space may end while it lingers.
    Life.LINGERING: {LifeMove.END: Life.LINGERING, LifeMove.LOSE: Life.LOST},
    # What was on its way when the client left is still played.
    Life.LEFT: {
        LifeMove.DRAIN: Life.LEFT,
        LifeMove.END: Life.OVER,
        LifeMove.LINGER: Life.OVER,
        LifeMove.LOSE: Life.LOST,
    },
    Life.OVER: {
        LifeMove.DRAIN: Life.OVER,
        LifeMove.END: Life.OVER,
        LifeMove.LINGER: Life.OVER,
        LifeMove.LOSE: Life.LOST,
    },
    Life.LOST: {},
}

#: This side serves nothing more.
ENDED: Final = frozenset({Life.ENDED, Life.LINGERING, Life.OVER})
#: The client has left.
LEFT: Final = frozenset({Life.LEFT, Life.OVER})


@unique
class Turn(IntEnum):
    """Where a connection is between one exchange and the next."""

    #: Nothing goes on and nothing has been read: the next bytes may be a request that was answered before.
    READY = auto()
    #: No exchange; bytes of one may have come.
    BETWEEN = auto()
    #: A request was booked, its answer is being decided on.
    DECIDING = auto()
    #: The answer's plan is played.
    ANSWERING = auto()
    #: The exchange gets nothing more and stays open.
    HELD = auto()


@unique
class TurnMove(IntEnum):
    """What happens between one exchange and the next."""

    REST = auto()
    WAKE = auto()
    TAKE_UP = auto()
    ANSWER = auto()
    HOLD = auto()
    FINISH = auto()


TURNS: Final[Mapping[Turn, Mapping[TurnMove, Turn]]] = {
    Turn.READY: {TurnMove.WAKE: Turn.BETWEEN},
    Turn.BETWEEN: {TurnMove.REST: Turn.READY, TurnMove.TAKE_UP: Turn.DECIDING},
    Turn.DECIDING: {
        TurnMove.ANSWER: Turn.ANSWERING,
        TurnMove.HOLD: Turn.HELD,
        TurnMove.FINISH: Turn.BETWEEN,
    },
    Turn.ANSWERING: {TurnMove.HOLD: Turn.HELD, TurnMove.FINISH: Turn.BETWEEN},
    Turn.HELD: {TurnMove.FINISH: Turn.BETWEEN},
}

#: An exchange is under way.
BUSY: Final = frozenset({Turn.DECIDING, Turn.ANSWERING, Turn.HELD})
