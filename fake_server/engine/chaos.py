"""Faults by lot: the fate of a request is drawn from (seed, key, nonce, attempt) and nothing else."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from tgi_conformance.contracts.script import Chaos, Fate, Fault, Reply
from tgi_conformance.fake_server.http.parsing import Request

_FRACTION: Final = 2.0**64


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a request gets: a reply in place of the script's, or changes to it."""

    name: str
    reply: Reply | None = None
    delay_ms: float = 0.0
    fault: Fault | None = None

    def applied(self, reply: Reply) -> Reply:
        """The script's own reply, changed."""
        delivery = reply.delivery
        if self.delay_ms:
            delivery = replace(delivery, delay_ms=delivery.delay_ms + self.delay_ms)
        # A fault that the script itself wants is not taken back.
        if self.fault is not None and delivery.fault is None:
            delivery = replace(delivery, fault=self.fault)
        return reply if delivery is reply.delivery else replace(reply, delivery=delivery)


def draw(chaos: Chaos, key: str, nonce: str, attempt: int) -> Drawn:
    """The fate of one attempt."""
    lot = blake2b(f"{chaos.seed}\0{key}\0{nonce}\0{attempt}".encode("utf-8", "surrogatepass"), digest_size=24)
    which, where, when = (
        int.from_bytes(lot.digest()[start : start + 8], "big") / _FRACTION for start in (0, 8, 16)
    )
    index, fate = _chosen(chaos.fates, which)
    name = f"chaos:{fate.name or index}"
    if fate.reply is not None:
        return Drawn(name, fate.reply)
    least, most = fate.delay_ms
    return Drawn(name, None, least + (most - least) * when, _fault(fate, where))


def _chosen(fates: tuple[Fate, ...], fraction: float) -> tuple[int, Fate]:
    left = fraction * sum(fate.weight for fate in fates)
    for index, fate in enumerate(fates):
        left -= fate.weight
        if left < 0:
            return index, fate
    return len(fates) - 1, fates[-1]


def _fault(fate: Fate, fraction: float) -> Fault | None:
    if fate.cut is None:
        return None
    least, most = fate.byte
    return Fault(ending=fate.cut, byte=min(least + int((most - least + 1) * fraction), most))


class Lots:
    """The lots of one space: counts the attempts of each call."""

    def __init__(self, chaos: Chaos) -> None:
        self._chaos = chaos
        self._nonce = None if chaos.nonce is None else re.compile(chaos.nonce)
        self._attempts: Counter[tuple[str, str]] = Counter()

    def draw(self, request: Request, key: str) -> Drawn:
        """The fate of a request."""
        nonce = self._nonce_of(request)
        attempt = self._attempts[key, nonce]
        self._attempts[key, nonce] += 1
        return draw(self._chaos, key, nonce, attempt)

    def _nonce_of(self, request: Request) -> str:
        if self._nonce is not None:
            text = request.head.decode("latin-1") + request.body.decode("utf-8", "replace")
            found = self._nonce.search(text)
            if found is not None:
                return found[0]
        return blake2b(request.path.encode("latin-1") + b"\0" + request.body, digest_size=16).hexdigest()
