"""The rows of the policy matrix: ways in which a correct client may differ from the reference.

A row changes what a client does and what it declares, always both, so that each is a correct client
and any red verdict on it is the kit's mistake. What cannot be told apart on the wire is not a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

#: "async" is the reference's asynchronous face; its rows are few, since the client beneath is the same.
Client = Literal["reference", "second", "async"]
CLIENTS: Final[tuple[Client, ...]] = ("reference", "second", "async")

#: What a row may have a client do beside another policy.
Behaviour = Literal[
    "slow calls",  # 1.2 s before each request, as behind a cold start
    "slow creation",  # 1.2 s in create_endpoint
    "integer ids",  # endpoints are numbered
    "odd ids",  # an endpoint's id is a text with blanks and other scripts in it
    "bare values",  # an answer is its text, a piece a text that is not empty, an error kind and status
    "few stats",  # requests are counted, tokens and calls under way are not
    "default temperature",  # 0.7 where the caller gives none
    "asks info",  # GET /info when an endpoint is made; what it meets there is raised there
    "asks health",  # GET /health before each request; only its transport's failures count
    "trims",  # white space around texts is stripped
    "waits when full",  # a full queue refuses nobody
    "no request id",  # sends no header with an id
    "placeholder key",  # sends one where there is no key
]

#: The retry settings of ``create_endpoint``, each with the field of ``retry`` that it decides.
KNOBS: Final[Mapping[str, str]] = {
    "max_retries": "max_retries",
    "initial_delay": "initial_retry_delay",
    "factor": "backoff_factor",
    "max_delay": "max_retry_delay",
}
#: Waits so short that a client whose waits no setting can shorten does not slow its run down.
SHORT: Final[Mapping[str, object]] = {"initial_delay": 0.05, "factor": 2.0, "max_delay": 0.4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way in which a client differs."""

    name: str
    clients: tuple[Client, ...] = ("reference", "second")
    #: Fields of ``retry`` (see ``RetryPolicy``) with what the client does there and declares.
    policy: Mapping[str, object] = field(default_factory=dict)
    #: Fields of ``retry`` left null, though the client does something there; "retry", "defaults": all of it.
    undeclared: tuple[str, ...] = ()
    #: Other settings with the client's own value, which ``defaults`` tells.
    own: Mapping[str, object] = field(default_factory=dict)
    #: Settings that are not offered: the client has its own value there. "*": all of them.
    pinned: tuple[str, ...] = ()
    #: Capabilities that are neither claimed nor there; their methods, settings and parameters go too.
    without: tuple[str, ...] = ()
    does: tuple[Behaviour, ...] = ()
    #: Left out of samples: its run takes minutes.
    long: bool = False


#: The four settings of the waits and their number: without them nobody can switch retries off.
_RETRY_KNOBS = tuple(KNOBS.values())
_WAIT_KNOBS = _RETRY_KNOBS[1:]
#: What is left of a client that has one route and nothing else.
_BARE = (
    "stream", "retry", "breaker", "queue", "keys", "rotate", "stats", "reset", "update", "reqid", "probe",
    "cancel", "timeout", "close", "tools", "grammar", "img", "img-bytes", "img-native",
)  # fmt: skip
_RETRIES_ALL: Mapping[str, object] = {
    "statuses": (408, 425, 429, 500, 502, 503, 504),
    "faults": ("refused", "reset", "closed", "timeout"),
}
_NEVER: Mapping[str, object] = {"statuses": (), "faults": (), "max_retries": 0}

_STATUSES = (
    Row(name="as-it-is", clients=CLIENTS),
    Row(name="only-503", clients=CLIENTS, policy={"statuses": (503,), "faults": ()}),
    Row(name="only-429", policy={"statuses": (429,), "faults": ()}),
    Row(name="some-5xx", policy={"statuses": (429, 500, 502, 503, 504)}),
    Row(name="all-passing", policy=_RETRIES_ALL),
    Row(name="no-statuses", policy={"statuses": (), "faults": ("refused", "reset", "closed")}),
    Row(name="statuses-undeclared", undeclared=("statuses", "faults")),
)
_FAULTS = (
    Row(name="no-faults", policy={"statuses": (429, 503), "faults": ()}),
    Row(name="reset-only", policy={"faults": ("reset",)}),
    Row(name="closed-only", policy={"faults": ("closed",)}),
    Row(name="overloaded-event", policy={"statuses": (429, 503), "faults": ("overloaded_event",)}),
)
_WAITS = (
    Row(name="no-jitter", policy={"jitter": (1.0, 1.0)}),
    Row(name="wide-jitter", clients=CLIENTS, policy={"jitter": (0.0, 2.0)}),
    Row(name="half-jitter", policy={"jitter": (0.5, 1.5)}),
    Row(name="jitter-undeclared", policy={"jitter": (0.0, 2.0)}, undeclared=("jitter",)),
    Row(name="factor-1", policy={"factor": 1.0, "jitter": (1.0, 1.0)}),
    Row(name="factor-1-pinned", policy=SHORT | {"factor": 1.0}, pinned=("backoff_factor",)),
    Row(name="factor-3-pinned", policy=SHORT | {"factor": 3.0}, pinned=("backoff_factor",)),
    Row(
        name="factor-undeclared",
        policy=SHORT | {"factor": 1.0},
        undeclared=("factor",),
        pinned=("backoff_factor",),
    ),
    Row(
        name="waits-undeclared",
        policy=SHORT,
        undeclared=("initial_delay", "factor", "max_delay", "jitter"),
        pinned=_WAIT_KNOBS,
    ),
    Row(name="no-wait", policy={"initial_delay": 0.0, "max_delay": 0.0}, pinned=_WAIT_KNOBS),
    Row(name="short-retry-after", policy={"max_retry_after": 2.0}),
    Row(name="long-retry-after", policy={"max_retry_after": 3600.0}),
    Row(name="retry-after-undeclared", undeclared=("max_retry_after",)),
)
_ATTEMPTS = (
    Row(name="one-retry-pinned", policy=SHORT | {"max_retries": 1}, pinned=_RETRY_KNOBS),
    Row(
        name="retries-undeclared",
        policy=SHORT | {"max_retries": 2},
        undeclared=("max_retries",),
        pinned=_RETRY_KNOBS,
    ),
    Row(
        name="persistent",
        clients=CLIENTS,
        policy=SHORT | _RETRIES_ALL | {"max_retries": 3},
        pinned=_RETRY_KNOBS,
        long=True,
    ),
    Row(name="persistent-503", policy=SHORT | {"statuses": (503,), "faults": ()}, pinned=_RETRY_KNOBS),
    Row(name="no-knobs", clients=CLIENTS, policy=SHORT | {"max_retries": 2}, pinned=("*",)),
    Row(name="policy-undeclared", policy=SHORT | {"max_retries": 2}, undeclared=("retry",)),
    Row(
        name="retry-unclaimed",
        policy=SHORT | {"max_retries": 2},
        undeclared=("retry",),
        pinned=_RETRY_KNOBS,
        without=("retry",),
    ),
    Row(
        name="retry-declared-unclaimed",
        policy=SHORT | {"max_retries": 2},
        pinned=_RETRY_KNOBS,
        without=("retry",),
    ),
    Row(name="never-retries", policy=_NEVER, pinned=_RETRY_KNOBS, without=("retry",)),
)
_SLOTS = (
    Row(name="keeps-slot", clients=CLIENTS, policy={"keeps_slot": True}),
    Row(name="keeps-slot-undeclared", policy={"keeps_slot": True}, undeclared=("keeps_slot",)),
    Row(name="frees-slot-undeclared", undeclared=("keeps_slot",)),
    Row(
        name="keeps-slot-persistent",
        policy=SHORT | _RETRIES_ALL | {"max_retries": 2, "keeps_slot": True},
        pinned=_RETRY_KNOBS,
        long=True,
    ),
    Row(name="waits-when-full", does=("waits when full",)),
)
_HALVES = (
    Row(name="chat-only", policy=_NEVER, pinned=("*",), without=(*_BARE, "native", "completions")),
    Row(name="native-only", policy=_NEVER, pinned=("*",), without=(*_BARE, "chat", "completions")),
    Row(name="completions-only", policy=_NEVER, pinned=("*",), without=(*_BARE, "native", "chat")),
    Row(name="chat-persistent", policy=SHORT, pinned=("*",), without=("native", "completions", "queue")),
    Row(
        name="chat-stream",
        without=("native", "completions", "tools", "grammar", "img", "img-bytes", "img-native"),
    ),
    Row(name="native-stream", without=("chat", "completions", "tools", "img", "img-bytes")),
    Row(name="images-by-url", without=("img-bytes", "img-native")),
    Row(name="no-stream", without=("stream",)),
    Row(name="no-stats", without=("stats", "reset")),
    Row(name="no-queue", without=("queue",)),
    Row(
        name="little-room",
        own={"max_concurrent_requests": 4, "queue_size": 8},
        pinned=("max_concurrent_requests", "queue_size"),
    ),
    Row(name="fixed-queue", own={"queue_size": 8}, pinned=("queue_size",)),
    Row(name="no-keys", without=("keys", "rotate")),
    Row(name="no-close", without=("close",)),
    Row(name="no-timeout", without=("timeout", "cancel", "probe", "update"), clients=("reference",)),
    Row(name="no-request-id", without=("reqid",), does=("no request id",)),
    Row(name="no-model", pinned=("model",)),
    Row(name="serial", own={"max_concurrent_requests": 1, "queue_size": 8}, without=("queue",)),
    Row(
        name="serial-undeclared",
        clients=CLIENTS,
        own={"max_concurrent_requests": 1, "queue_size": 8},
        undeclared=("defaults",),
        without=("queue",),
    ),
    Row(name="short-timeout", own={"timeout": 3.0}, pinned=("timeout",), without=("timeout",)),
)
_HABITS = (
    Row(name="slow-calls", does=("slow calls",), long=True),
    Row(name="slow-creation", does=("slow creation",), long=True),
    Row(name="integer-ids", does=("integer ids",)),
    Row(name="odd-ids", does=("odd ids",)),
    Row(name="bare-values", does=("bare values",), without=("tools", "reqid", "logprobs")),
    Row(name="few-stats", does=("few stats",)),
    Row(name="default-temperature", does=("default temperature",)),
    Row(name="asks-info", does=("asks info",)),
    Row(name="asks-health", does=("asks health",)),
    Row(name="asks-both-persistent", policy=SHORT, pinned=_RETRY_KNOBS, does=("asks info", "asks health")),
    Row(name="trims", does=("trims",)),
    Row(name="placeholder-key", does=("placeholder key",)),
)
ROWS: Final = (*_STATUSES, *_FAULTS, *_WAITS, *_ATTEMPTS, *_SLOTS, *_HALVES, *_HABITS)


@dataclass(frozen=True, slots=True)
class Stranger:
    """A row applied to one client."""

    client: Client
    row: Row

    @property
    def id(self) -> str:
        """How tables call it."""
        return f"{self.client}-{self.row.name}"

    @property
    def attribute(self) -> str:
        """What ``--backend …/adapters.py:`` is followed by."""
        return self.id.replace("-", "_")


STRANGERS: Final = tuple(Stranger(client, row) for row in ROWS for client in row.clients)
