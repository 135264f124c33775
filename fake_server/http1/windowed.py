"""What every connection reads into: one window of memory for all of them."""

import asyncio
from typing import Final

#: Each takes its bytes out before the next is read. (What asyncio allots for each read by itself costs a
#: mapping of memory and its end.)
_WINDOW: Final = memoryview(bytearray(256 * 1024))


class Windowed(asyncio.BufferedProtocol):
    """A connection that is told of its bytes as ``data_received``."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give asyncio room for the bytes that may be read now."""
        del sizehint
        return _WINDOW

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self.data_received(bytes(_WINDOW[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Do with the bytes what the connection does."""
        raise NotImplementedError
