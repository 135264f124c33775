"""One endpoint: its settings, its slots, its connections, its books, and what its key has met."""

import asyncio
import dataclasses
import time
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tgi_conformance.backends.reference.admission import Admission
from tgi_conformance.backends.reference.breaker import Breaker
from tgi_conformance.backends.reference.errors import (
    AuthenticationError,
    ClosedError,
    InvalidArgumentError,
    TGIError,
)
from tgi_conformance.backends.reference.interruption import Interruptible
from tgi_conformance.backends.reference.retry_policy import key_block
from tgi_conformance.backends.reference.rotation import Candidate
from tgi_conformance.backends.reference.settings import EndpointSettings
from tgi_conformance.backends.reference.stats import Counts, Stats
from tgi_conformance.backends.reference.transport import Transport

_UNAUTHORISED = 401
_UNWINDING_TIME = 5.0


class Endpoint:
    """Everything that belongs to one key and URL, and to no other."""

    def __init__(self, settings: EndpointSettings) -> None:
        self.id = f"endpoint-{uuid.uuid4()}"
        self.settings = settings
        self.admission = Admission(settings.cap, settings.waiting_room)
        self.stats = Stats()
        self.breaker = Breaker()
        self.transport = Transport(settings)
        self.closed = False
        self._transports = weakref.WeakSet([self.transport])
        self._running: set[Interruptible] = set()
        self._at_rest = asyncio.Event()
        self._blocked_until = 0.0
        self._rejected = False

    def __repr__(self) -> str:
        return f"<Endpoint {self.id} {self.settings.base_url}>"

    def update(self, changes: dict[str, object]) -> None:
        """Change settings for the calls made from now on."""
        known = {setting.name for setting in dataclasses.fields(EndpointSettings)}
        unknown = sorted(changes.keys() - known)
        if unknown:
            raise InvalidArgumentError(f"unknown settings: {', '.join(unknown)}")
        before = self.settings
        self.settings = settings_with(before, changes)
        self.admission.resize(self.settings.cap, self.settings.waiting_room)
        if (self.settings.connections, self.settings.base_url) != (before.connections, before.base_url):
            # Calls under way keep the old connections, which close with the last of them.
            self.transport = Transport(self.settings)
            self._transports.add(self.transport)
        if self.settings.api_key != before.api_key:
            self._blocked_until, self._rejected = 0.0, False

    def note_failure(self, error: TGIError) -> None:
        """Remember what a refused attempt says about the key."""
        block = key_block(error)
        if block is not None:
            self._blocked_until = max(self._blocked_until, time.monotonic() + block)
        if isinstance(error, AuthenticationError) and error.status == _UNAUTHORISED:
            self._rejected = True

    def note_success(self) -> None:
        """Remember that the key is accepted."""
        self._rejected = False

    def as_candidate(self) -> Candidate:
        """Return what rotation needs to know."""
        return Candidate(self.id, self._blocked_until, self._rejected, self.admission.is_full)

    def snapshot(self) -> Counts:
        """Return the counters and what is going on now."""
        return {
            **self.stats.snapshot(),
            "current_requests": self.admission.in_flight,
            "queue_size": self.admission.waiting,
        }

    @contextmanager
    def through_breaker(self) -> Iterator[None]:
        """Let a call pass the breaker, or raise ``CircuitOpenError``; how the block ends is noted."""
        how = self.breaker.enter(self.settings, time.monotonic())
        ended: BaseException | None = None
        try:
            yield
        except BaseException as error:
            ended = error
            raise
        finally:
            self.breaker.leave(how, ended, self.settings, time.monotonic())

    @contextmanager
    def registered(self, handle: Interruptible) -> Iterator[None]:
        """Have ``handle`` interrupted if the endpoint is closed during the block."""
        self._running.add(handle)
        try:
            yield
        finally:
            self._running.discard(handle)
            if not self._running:
                self._at_rest.set()

    async def aclose(self) -> None:
        """End the calls and streams that run, wait or sleep, then close the sockets."""
        self.closed = True
        for handle in tuple(self._running):
            handle.interrupt(ClosedError("the endpoint was closed during the call"))
        if self._running:
            self._at_rest.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_UNWINDING_TIME):
                    await self._at_rest.wait()
        for transport in tuple(self._transports):
            await transport.aclose()


def settings_with(settings: EndpointSettings, changes: dict[str, object]) -> EndpointSettings:
    """Return ``settings`` with ``changes``, checked anew."""
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]
