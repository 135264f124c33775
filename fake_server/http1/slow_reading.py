"""Connections whose requests are read slowly, or not beyond a byte until a gate lets them go on."""

import asyncio
from collections.abc import Callable

from tgi_conformance.contracts.script import Reading
from tgi_conformance.fake_server.http1.connection import Connection
from tgi_conformance.fake_server.space.space import Space


class SlowReading(asyncio.BufferedProtocol):
    """What a connection does that takes only as many bytes at a time as the script says."""

    _space: Space
    _transport: asyncio.Transport
    _taken_in = 0
    _stopped = False
    _pace_timer: asyncio.TimerHandle | None = None
    _leave_stop: Callable[[], None] | None = None

    @property
    def _reading(self) -> Reading:
        return self._space.script.reading or Reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give asyncio room for the bytes that may be read now."""
        del sizehint
        size = self._reading.bytes
        stop = self._reading.stop_after
        if stop is not None and not self._stopped:
            size = min(size, stop - self._taken_in)
        self._window = memoryview(bytearray(size))
        return self._window

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read, and wait as the script says."""
        self._taken_in += nbytes
        # First: serving the request may end the connection.
        self._wait_to_read()
        self._take_in(bytes(self._window[:nbytes]))

    def _take_in(self, data: bytes) -> None:
        """Do with the bytes what a connection does that is in no hurry to read."""
        raise NotImplementedError

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        if self._pace_timer is not None:
            self._pace_timer.cancel()
        if self._leave_stop is not None:
            self._leave_stop()
        super().connection_lost(exc)

    def _wait_to_read(self) -> None:
        reading = self._reading
        if reading.gate is not None and not self._stopped and self._taken_in >= (reading.stop_after or 0):
            self._stopped = True
            gate = self._space.gate(reading.gate)
            if not gate.enter(self._go_on):
                self._leave_stop = lambda: gate.leave(self._go_on)
                self._transport.pause_reading()
        elif reading.every_ms:
            self._transport.pause_reading()
            loop = asyncio.get_running_loop()
            self._pace_timer = loop.call_later(reading.every_ms / 1000, self._go_on)

    def _go_on(self) -> None:
        self._leave_stop = self._pace_timer = None
        self._transport.resume_reading()


class SlowConnection(SlowReading, Connection):
    """As :class:`Connection`, but read slowly."""

    _read_directly = False

    def _take_in(self, data: bytes) -> None:
        self.data_received(data)
