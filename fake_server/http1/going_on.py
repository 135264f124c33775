"""``100 Continue``: whether a client that asked for it is due one, as hyper decides it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tgi_conformance.fake_server.http.parsing import Request, RequestReader
from tgi_conformance.fake_server.http1.answering import Answering


@dataclass(slots=True)
class GoingOn:
    """What one connection has been told so far."""

    answering: Answering
    origin: str
    _told: bool = False

    def is_due(self, reader: RequestReader, requests: Sequence[Request], *, at_rest: bool) -> bool:
        """Take what was just read; True: the client is to be told to go on.

        hyper looks at the head alone, so it tells a client whose body came along too, if nothing is under way
        on the connection (``at_rest``).
        """
        asked = reader.expects_continue
        came_along = at_rest and not self._told and bool(requests) and self._waits_for_body(requests[0])
        self._told = asked or (self._told and not requests)
        reader.expects_continue = False
        return asked or came_along

    def _waits_for_body(self, request: Request) -> bool:
        """Whether a request asked to be told, has a body, and is not answered before that has come."""
        asked = bool(request.body) and request.waits_to_go_on
        return asked and self.answering.early(request, 0, self.origin) is None
