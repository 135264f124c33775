"""A connection that speaks HTTP/2 with prior knowledge, as hyper serves it beside HTTP/1.

It takes over from HTTP/1 once the client's preface is there. The h2 library keeps the protocol;
this module keeps the connection: frames in, requests to the script, frames out, and the bounds.
"""

from collections.abc import Sequence
from time import monotonic

from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from tgi_conformance.contracts.journal import ClosedBy
from tgi_conformance.fake_server.engine.plans import Ending
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.http1.answering import HTTP2_PREFACE, Handover, OpenFeed
from tgi_conformance.fake_server.http1.closing import Closing
from tgi_conformance.fake_server.http1.states import ENDED, LEFT, LIFE, Life, LifeMove
from tgi_conformance.fake_server.http1.windowed import Windowed
from tgi_conformance.fake_server.http2.frames import GOAWAY, Frame, FrameCutter, FrameError
from tgi_conformance.fake_server.http2.requests import (
    MAX_HEADER_LIST,
    Fields,
    list_size,
    malformed,
    request_from,
)
from tgi_conformance.fake_server.http2.sending import Sending
from tgi_conformance.fake_server.http2.settings import MAX_STREAMS, server_side
from tgi_conformance.fake_server.http2.stream import Http2Stream
from tgi_conformance.fake_server.journal.builder import ExchangeRecord
from tgi_conformance.fake_server.space.gates import SpaceGate
from tgi_conformance.fake_server.space.idleness import Idleness


class Http2Connection(Windowed):
    """Serves the streams of one connection side by side, each by its plan."""

    def __init__(self, handed: Handover) -> None:
        self._space = handed.space
        self._answering = handed.answering
        self._record = handed.record
        self._transport = handed.transport
        self._socket = handed.socket
        self._received = handed.received
        self._closing = Closing(handed.space.journal, handed.record, handed.transport, handed.socket)
        self._tls = handed.transport.get_extra_info("sslcontext") is not None
        #: The reply that leaves everything on this connection without an answer.
        self._silent = handed.silent
        self._cutter = FrameCutter()
        self._streams: dict[int, Http2Stream] = {}
        self._life = Life.OPEN
        #: Bytes of bodies that are still to be served.
        self._held = 0
        self._idleness = Idleness(handed.space.script.idle_ms, self.drain)
        self._h2 = server_side(HTTP2_PREFACE)
        self.sending = Sending(handed.transport, self._h2, mute=handed.silent is not None)

    def begin(self) -> None:
        """Take the connection over, with what came behind the preface."""
        self._transport.set_protocol(self)
        self._space.connections.add(self)
        self._space.disconnects.add(self._socket.fileno(), self)
        received, self._received = self._received, b""
        self.data_received(received[len(HTTP2_PREFACE) :])

    # --- what asyncio calls ------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read frames and serve what they ask for."""
        now = monotonic()
        self._space.journal.last_activity = now
        if not self._serves():
            return
        try:
            for frame in self._cutter.feed(data):
                self._take(frame, now)
                if not self._serves():
                    return
        except ProtocolError as error:
            # The library has its GOAWAY ready.
            self._give_up(f"{type(error).__name__}: {error}")
            return
        except FrameError as error:
            self.sending.goaway(error.code)
            self._give_up(str(error))
            return
        self.sending.flush()
        self.sending.pump_all()

    def eof_received(self) -> bool:
        """Take the client's FIN: nobody is left who could want an answer."""
        self._client_went("client-fin")
        self._let_go("client")
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Book the end and let go of everything."""
        if exc is not None:
            self._client_went("client-rst")
        elif self._life not in LEFT:
            self._closing.book("server")
        self._let_go("fault" if self._life in ENDED else "client")
        self._move(LifeMove.LOSE)
        self._idleness.end()
        self.sending.lose()
        self._space.connections.discard(self)
        self._space.disconnects.remove(self._socket.fileno(), self)
        self._socket.detach()

    def pause_writing(self) -> None:
        """Wait for the kernel."""
        self.sending.pause()

    def resume_writing(self) -> None:
        """Go on: the kernel has every byte."""
        self.sending.resume()
        for stream in tuple(self._streams.values()):
            stream.resume()

    # --- what the space calls ----------------------------------------------------------------------

    def peek(self, at: float | None = None) -> None:
        """Book a close that the client has sent but the loop has not yet reported."""
        how = None if self._life in LEFT else self._closing.by_client()
        if how is not None:
            self._client_went(how, at)

    def end_with_space(self) -> None:
        """End the exchanges that still run; an idle connection stays, for what comes late on it."""
        if self._streams or self._silent is not None:
            self._move(LifeMove.END)
            self.abort()

    def drain(self) -> None:
        """Say GOAWAY, finish the streams that run, and close."""
        if self._life in ENDED:
            return
        if self._life is Life.OPEN:
            self._move(LifeMove.DRAIN)
            self.sending.goaway(ErrorCodes.NO_ERROR)
        if not self._streams:
            self._close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # --- what its streams call ---------------------------------------------------------------------

    @property
    def open_feed(self) -> OpenFeed:
        """Opens the feed of a plan that grows."""
        return self._answering.feed

    def gate(self, name: str) -> SpaceGate:
        """The space's gate of a name."""
        return self._space.gate(name)

    def finished(self, stream: Http2Stream) -> None:
        """Forget a stream whose exchange is over."""
        self._forget(stream)
        record = stream.record
        self._space.journal.changed()
        if record is not None and self._space.observe is not None:
            self._space.observe(self._space, record)
        if record is not None and record.ending != "client":
            self._cutter.answered()
        if not self._streams:
            self._idleness.begin()
        if self._life is Life.DRAINING and not self._streams:
            self._close()

    def end(self, ending: Ending) -> None:
        """End the connection as a plan says; the other streams end with it."""
        if ending == "rst":
            self._move(LifeMove.END)
            self._closing.reset()
        elif ending == "half-close":
            self._move(LifeMove.END)
            self._closing.shut()
            self.sending.mute = True
        else:
            self._close()

    # --- what the client sent ----------------------------------------------------------------------

    def _take(self, frame: Frame, now: float) -> None:
        # A client that says GOAWAY opens no more streams; those it has it still wants. The library would
        # take it for the end of everything.
        if frame.type == GOAWAY and frame.stream == 0 and len(frame.raw) >= 17:
            return
        for event in self._h2.receive_data(frame.raw):
            if isinstance(event, DataReceived):
                self._data_received(event, now)
            elif isinstance(event, RequestReceived):
                self._request_received(event, now)
            elif isinstance(event, StreamEnded):
                self._stream_ended(event.stream_id, now)
            elif isinstance(event, StreamReset):
                self._stream_reset(event.stream_id, now)

    def _request_received(self, event: RequestReceived, now: float) -> None:
        stream_id, fields = event.stream_id, _pairs(event.headers)
        if self._life is Life.DRAINING or len(self._streams) >= MAX_STREAMS:
            self._refuse(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        problem = malformed(fields)
        if problem is not None:
            self._note(f"stream {stream_id}: {problem}")
            self._refuse(stream_id, ErrorCodes.PROTOCOL_ERROR)
            return
        if list_size(fields) > MAX_HEADER_LIST:
            self._note(f"stream {stream_id}: a field list of more than {MAX_HEADER_LIST} bytes")
            self._h2.send_headers(stream_id, [(b":status", b"431")], end_stream=True)
            if event.stream_ended is None:
                self._refuse(stream_id, ErrorCodes.PROTOCOL_ERROR)
            return
        self._idleness.end()
        stream = Http2Stream(self, stream_id, request_from(fields, now))
        self._streams[stream_id] = stream
        length = stream.request.first.get("content-length", "0")
        if int(length) > self._space.max_body:
            self._too_large(stream, now)
        elif event.stream_ended is None:
            self._answer_early(stream, now)

    def _data_received(self, event: DataReceived, now: float) -> None:
        self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.record is not None:
            return
        data = event.data or b""
        self._held += len(data)
        stream.body += data
        if self._held > self._space.max_body:
            self._too_large(stream, now)
        elif event.stream_ended is None:
            self._answer_early(stream, now)

    def _stream_ended(self, stream_id: int, now: float) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.request_ended = True
        if stream.record is None:
            stream.request.body = self._take_body(stream)
            self._serve(stream, now)

    def _stream_reset(self, stream_id: int, now: float) -> None:
        """Take a client's RST_STREAM: the rest of the answer is not wanted, or the request not meant."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._give_stream_up(stream, now, "client")
        self._cutter.opened_in_vain()

    def _too_large(self, stream: Http2Stream, now: float) -> None:
        self._held -= len(stream.body)
        stream.body = bytearray()
        stream.request.too_large, stream.request.complete = True, False
        self._serve(stream, now)

    def _answer_early(self, stream: Http2Stream, now: float) -> None:
        """Answer a request whose body is still to come, where TGI would not wait for it."""
        if self._silent is not None:
            return
        request = stream.request
        plan = self._answering.early(request, len(stream.body), self._record.origin)
        if plan is None:
            return
        request.body, request.complete, request.received_at = self._take_body(stream), False, now
        stream.play(plan, self._book(request))

    def _serve(self, stream: Http2Stream, now: float) -> None:
        request = stream.request
        request.received_at = now
        if self._space.peeked_at != now:
            self._space.peek(now)
            self._space.peeked_at = now
        record = stream.record = self._book(request)
        if self._silent is not None:
            record.reply = self._silent
            self._move(LifeMove.END)
            return
        if self._life in LEFT:
            stream.client_gone(self._record.closed_at or now)
            stream.finish("client")
            return
        stream.play(self._answering.respond(request, record), record)

    def _book(self, request: Request) -> ExchangeRecord:
        space = self._space
        key = space.alias(request.first.get("authorization"))
        return space.journal.book(request, self._record, key=key, late=space.closed)

    def _take_body(self, stream: Http2Stream) -> bytes:
        body = bytes(stream.body)
        self._held -= len(body)
        stream.body = bytearray()
        return body

    # --- ends --------------------------------------------------------------------------------------

    def _give_stream_up(self, stream: Http2Stream, now: float, ending: str) -> None:
        """End a stream before its time, and book a request that was never whole."""
        if stream.record is None:
            request = stream.request
            request.body, request.complete, request.received_at = self._take_body(stream), False, now
            record = self._book(request)
            record.gone_at, record.ending = now, "none"
            self._forget(stream)
            self._space.journal.changed()
            return
        if ending == "client":
            stream.client_gone(now)
        stream.finish(ending)

    def _let_go(self, ending: str) -> None:
        """End every stream."""
        now = monotonic()
        if self._life not in ENDED:
            self._move(LifeMove.END)
        for stream in tuple(self._streams.values()):
            self._give_stream_up(stream, now, ending)

    def _forget(self, stream: Http2Stream) -> None:
        self._streams.pop(stream.id, None)
        self.sending.forget(stream)

    def _refuse(self, stream_id: int, code: ErrorCodes) -> None:
        self._h2.reset_stream(stream_id, code)
        self._cutter.opened_in_vain()

    def _give_up(self, problem: str) -> None:
        """End a connection whose client broke the protocol, once it was told; what still comes is dropped."""
        self._note(problem)
        self.sending.flush()
        self._let_go("client")
        self._move(LifeMove.LINGER)
        self._closing.linger()

    def _close(self) -> None:
        self._move(LifeMove.END)
        # What the transport still holds goes out before its own close.
        self._closing.close(shut=not self._tls and not self._transport.get_write_buffer_size())

    def _client_went(self, how: ClosedBy, at: float | None = None) -> None:
        if self._life in LEFT or self._record.closed_at is not None:
            return
        self._move(LifeMove.LEAVE)
        now = monotonic() if at is None else at
        for stream in self._streams.values():
            stream.client_gone(now)
        self._closing.book(how, now)

    def _serves(self) -> bool:
        """Whether what comes is still read: requests that are to get no answer are booked all the same."""
        return self._life not in ENDED or (self._silent is not None and self._life is not Life.LINGERING)

    def _move(self, move: LifeMove) -> None:
        after = LIFE[self._life].get(move)
        if after is None:
            self._closing.impossible(f"{move.name} while {self._life.name}")
        else:
            self._life = after

    def _note(self, text: str) -> None:
        self._space.journal.note(f"connection {self._record.id}: HTTP/2: {text}")


def _pairs(headers: Sequence[tuple[bytes, bytes]] | None) -> Fields:
    return [(bytes(name), bytes(value)) for name, value in headers or ()]
