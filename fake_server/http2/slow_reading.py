"""An HTTP/2 connection whose requests are read slowly."""

from tgi_conformance.fake_server.http1.slow_reading import SlowReading
from tgi_conformance.fake_server.http2.connection import Http2Connection


class SlowHttp2Connection(SlowReading, Http2Connection):
    """As :class:`Http2Connection`, but read slowly."""

    def begin(self) -> None:
        """Take over; what was received until now counts, and a stop before here has been made."""
        self._taken_in = len(self._received)
        self._stopped = self._reading.stop_after is not None and self._taken_in >= self._reading.stop_after
        super().begin()

    def _take_in(self, data: bytes) -> None:
        self.data_received(data)
