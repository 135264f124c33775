"""The whole script of a space: its server, its replies, its limits, its faults by lot, how it reads."""

from dataclasses import dataclass, field
from typing import Final, Literal

from tgi_conformance.contracts.script.replies import Reply

#: The server generations that :mod:`tgi_conformance.contracts.tgi.personas` describes.
Persona = Literal["tgi-3.3", "tgi-2", "tgi-1.4", "openai-proxy", "hosted-router"]
#: The generation that all others are told apart from, and that is played unless another is asked for.
NATIVE_PERSONA: Final[Persona] = "tgi-3.3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How the space's server is set up; names are the launcher's."""

    model_id: str = "google/t5-efficient-tiny"
    #: Answer 401 (empty body) to generation routes unless the request carries one of the space's keys.
    check_key: bool = False
    payload_limit: int = 2_000_000
    max_concurrent_requests: int = 128
    max_best_of: int = 2
    max_stop_sequences: int = 4
    max_top_n_tokens: int = 5
    max_client_batch_size: int = 4
    #: Generous, so that no prompt of a case is refused unless the case asks for it.
    max_input_tokens: int = 1_000_000
    max_total_tokens: int = 1_100_000
    #: Decode and validate generation requests that a `tgi` reply serves, as TGI does, with its errors.
    validate: bool = True
    #: Origins that browsers may call from; none: any.
    cors_allow_origin: tuple[str, ...] = ()
    disable_grammar_support: bool = False
    #: Whether the model has a chat template; without one chat is refused.
    chat_template: bool = True
    #: Whether the model takes images; images in a prompt are checked then (never fetched).
    vision: bool = False
    #: Silence after which a TGI stream sends an empty comment.
    keep_alive_ms: float = 15_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBucket:
    """A rate limit on generation requests, as gateways have it: a request takes one token or is refused."""

    #: Tokens that a full bucket holds; it starts full.
    capacity: int
    #: Tokens that come back each second.
    per_second: float
    #: One bucket for each key (alias), or a single one.
    by: Literal["key", "space"] = "key"
    #: What a refused request gets; ``{retry-after}`` in a header value becomes the whole seconds until the
    #: next token. Default: TGI's 429 with a Retry-After.
    reply: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """A limit on generation requests that are open at the same time, whatever answers them."""

    most: int
    by: Literal["key", "space"] = "key"
    #: What a request beyond it gets; default: TGI's 429.
    reply: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What refuses generation requests before any reply is chosen; a refused one uses none up."""

    bucket: TokenBucket | None = None
    concurrency: Concurrency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """One thing that chaos may do to a generation request.

    Either ``reply`` stands in place of whatever the script has (no reply is used up), or the script's own
    answer comes ``delay_ms`` late (drawn from that range), ends at a payload byte drawn from ``byte``, or
    both.
    A fate with none of them leaves the request alone.
    """

    name: str | None = None
    #: How often, against the weights of the other fates.
    weight: float = 1.0
    reply: Reply | None = None
    cut: Literal["fin", "rst", "stall", "half-close"] | None = None
    #: [least, most] of the byte that a cut comes after.
    byte: tuple[int, int] = (0, 0)
    #: [least, most] milliseconds.
    delay_ms: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Refuse a fate that replaces the answer and changes it, and empty ranges."""
        if self.reply is not None and (self.cut is not None or self.delay_ms != (0.0, 0.0)):
            raise ValueError("a fate has a reply of its own or changes the script's, not both")
        if self.byte[0] > self.byte[1] or self.delay_ms[0] > self.delay_ms[1]:
            raise ValueError("a range is [least, most]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chaos:
    """Faults by lot, the same for each call whatever the interleaving.

    The lot is drawn from (seed, key alias, nonce, attempt). The nonce names the call: the first match of
    the pattern in the request's head and body; without a pattern or match, path and body as a whole. The
    attempt counts earlier requests of the space with that key and nonce.
    """

    seed: int = 0
    fates: tuple[Fate, ...]
    #: A regular expression, as ``nonce-[0-9a-z]+`` or ``(?i)x-request-id: *\\S+``.
    nonce: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A slow reader: the server takes at most ``bytes`` at a time from a connection, ``every_ms`` apart.

    After ``stop_after`` bytes of a connection it waits until the gate of that name lets it go on.
    """

    bytes: int = 65_536
    every_ms: float = 0.0
    stop_after: int | None = None
    gate: str | None = None

    def __post_init__(self) -> None:
        """Refuse a stop without its gate."""
        if (self.stop_after is None) != (self.gate is None):
            raise ValueError("stop_after and gate go together")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What one space does."""

    version: Literal[1] = 1
    #: The server generation that is imitated (:mod:`personas`).
    persona: Persona = "tgi-3.3"
    server: Server = field(default_factory=Server)
    replies: tuple[Reply, ...] = ()
    #: For generation requests that no reply is for; null: a healthy TGI that echoes. Either way they are
    #: booked as unscripted.
    otherwise: Reply | None = None
    #: Names of the listeners; each is an origin of its own. "refused:NAME" is a port where nobody listens,
    #: "ipv6:NAME" listens on ::1.
    origins: tuple[str, ...] = ("a",)
    #: Path before all routes, as "/gw/tgi"; other paths are 404.
    mount: str = ""
    #: Origins that speak TLS, with a certificate that nobody vouches for but the control API.
    tls: tuple[str, ...] = ()
    #: Protocols offered over TLS (ALPN), the preferred one first; a client that agrees on h2 must speak it.
    alpn: tuple[Literal["h2", "http/1.1"], ...] = ()
    limits: Limits = field(default_factory=Limits)
    chaos: Chaos | None = None
    reading: Reading | None = None
    #: Leave Nagle's algorithm on, as TGI does (on a reused connection events come some 40 ms late, at once).
    nagle: bool = False
    #: Keep-alive timeout: a connection that was silent for so long after an answer is closed without a word.
    idle_ms: float | None = None
