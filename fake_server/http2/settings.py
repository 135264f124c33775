"""The h2 library set up as hyper serves, with hyper's numbers.

The library is stricter than hyper in three places where it would end the connection; there it is told to be
lenient, and the stream alone is ended by :mod:`http2_connection`.
"""

from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings

from tgi_conformance.fake_server.http2.frames import MAX_FRAME
from tgi_conformance.fake_server.http2.requests import MAX_HEADER_LIST

MAX_STREAMS: Final = 200
"""Streams open at the same time; one more is refused."""
WINDOW: Final = 1024 * 1024
"""Bytes that the client may send ahead, of a stream and of the connection."""
_LARGEST_LIST: Final = 4 * MAX_HEADER_LIST
"""Bytes of a field list from which on the connection ends; a smaller one over the limit gets a 431."""
_DEFAULT_WINDOW: Final = 65_535


def server_side(preface: bytes) -> H2Connection:
    """The library's connection once the client's preface has come; its first frames wait to be sent."""
    config = H2Configuration(
        client_side=False,
        header_encoding=None,
        validate_inbound_headers=False,
        normalize_inbound_headers=False,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )
    connection = H2Connection(config)
    announced = {
        SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
        SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
        SettingCodes.MAX_FRAME_SIZE: MAX_FRAME,
        SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST,
    }
    connection.local_settings = Settings(client=False, initial_values=announced)
    connection.decoder.max_header_list_size = _LARGEST_LIST
    connection.initiate_connection()
    # What the library itself insists on: a stream too many is refused, and ends no connection.
    lenient = {**announced, SettingCodes.MAX_CONCURRENT_STREAMS: 2**31 - 1}
    connection.local_settings = Settings(client=False, initial_values=lenient)
    connection.increment_flow_control_window(WINDOW - _DEFAULT_WINDOW)
    connection.receive_data(preface)
    return connection
