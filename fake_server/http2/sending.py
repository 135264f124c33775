"""What goes out on an HTTP/2 connection: its streams' frames in turn, as windows and kernel take them."""

import asyncio
from typing import Final, Protocol

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame

from tgi_conformance.fake_server.engine.plans import Http2Head

_MAX_UNSENT: Final = 64 * 1024
"""Bytes that the client has not taken from which on no more is read from it."""


class Sender(Protocol):
    """A stream as far as sending has to know it."""

    id: int

    @property
    def blocked(self) -> bool:
        """Whether something waits for room to be sent."""

    def push(self) -> bool:
        """Send one frame of what waits, as far as the peer takes it; false where it takes none now."""

    def resume(self) -> None:
        """Go on after something stood in the way."""


class Sending:
    """The outward side of one connection."""

    def __init__(self, transport: asyncio.Transport, h2: H2Connection, *, mute: bool) -> None:
        self._transport = transport
        self._h2 = h2
        #: Nothing goes out any more: silenced, shut, or a frame was cut.
        self.mute = mute
        #: The kernel takes no more for now.
        self.paused = False
        self._reading_paused = False
        self._blocked: dict[int, Sender] = {}
        self._pumping = False
        self._last_writer: Sender | None = None
        self._outbox = bytearray()
        self._lost = False

    # --- frames ------------------------------------------------------------------------------------

    def room(self, stream_id: int) -> int:
        """How many bytes the next DATA frame of a stream may carry."""
        if self.paused:
            return 0
        return min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)

    def head(self, stream: Sender, head: Http2Head, *, ends: bool) -> int:
        """Send a HEADERS frame, or the beginning of one; returns its size. It leaves with the next flush."""
        self._collect()
        fields = [] if head.status is None else [(b":status", str(head.status).encode())]
        fields += ((_bytes(name), _bytes(value)) for name, value in head.fields)
        self._h2.send_headers(stream.id, fields, end_stream=ends)
        frames = self._h2.data_to_send()
        if head.cut is not None:
            frames = frames[: head.cut]
        self._last_writer = stream
        self._outbox += frames
        if head.cut is not None:
            self.flush()
            self.mute = True
        return len(frames)

    def data(self, stream: Sender, data: bytes, *, ends: bool) -> int:
        """Send a DATA frame; returns its size."""
        self._collect()
        self._h2.send_data(stream.id, data, end_stream=ends)
        size = self._collect()
        self._last_writer = stream
        self.flush()
        return size

    def raw(self, data: bytes) -> int:
        """Send bytes that are no frame; returns their number."""
        self._collect()
        self._outbox += data
        self.flush()
        return len(data)

    def broken(self, stream_id: int) -> None:
        """Reset a stream as hyper does where the body of an answer fails."""
        self._h2.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
        self.flush()

    def wave_off(self, stream_id: int) -> None:
        """Say that the rest of a request, which is answered already, is not wanted."""
        self._h2.reset_stream(stream_id, ErrorCodes.NO_ERROR)
        self.flush()

    def goaway(self, code: int) -> None:
        """Say that no more streams are taken."""
        # Written by hand: the library would not let the streams that run go on.
        frame = GoAwayFrame(0, last_stream_id=self._h2.highest_inbound_stream_id, error_code=code)
        self.raw(frame.serialize())

    def flush(self) -> None:
        """Hand the kernel all that is to go out."""
        self._collect()
        if not self._outbox:
            return
        if not self.mute and not self._transport.is_closing():
            self._transport.write(bytes(self._outbox))
        self._outbox.clear()

    def _collect(self) -> int:
        """Take what the library has to say; returns its size."""
        data = self._h2.data_to_send()
        self._outbox += data
        return len(data)

    # --- streams in turn ---------------------------------------------------------------------------

    def pump(self, stream: Sender) -> None:
        """Send what a stream has, in turn with others that have something."""
        self._blocked[stream.id] = stream
        self.pump_all()

    def pump_all(self) -> None:
        """Send what the streams have, a frame each in turn, until nothing more is taken."""
        if self._pumping:
            return
        self._pumping = True
        try:
            progress = True
            while progress and not self.paused and not self._transport.is_closing():
                progress = False
                for stream in tuple(self._blocked.values()):
                    progress = self._push(stream) or progress
        finally:
            self._pumping = False

    def _push(self, stream: Sender) -> bool:
        """Send one frame of a stream, which goes on with its plan once all of it has left."""
        sent = not self.paused and stream.blocked and stream.push()
        if not stream.blocked:
            self._blocked.pop(stream.id, None)
            stream.resume()
        return sent

    def forget(self, stream: Sender) -> None:
        """A stream is over."""
        self._blocked.pop(stream.id, None)

    # --- the kernel --------------------------------------------------------------------------------

    def pause(self) -> None:
        """Wait for the kernel, and read no more where the client takes nothing at all."""
        self.paused = True
        if self._transport.get_write_buffer_size() > _MAX_UNSENT:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Go on: the kernel has every byte."""
        self.paused = False
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        self.pump_all()

    def lose(self) -> None:
        """The connection is no more; what it had not taken stays as it was."""
        self._lost = True

    def unsent(self, stream: Sender) -> int:
        """Bytes that the kernel has not taken, as far as they are this stream's: it wrote last."""
        if self._lost or self._last_writer is not stream:
            return 0
        return self._transport.get_write_buffer_size()


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")
