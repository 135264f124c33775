"""The end of the server as TGI's: what has begun is finished, nothing new is taken."""

import asyncio
from typing import Final

from tgi_conformance.fake_server.space.spaces import Spaces

#: Seconds that answers get to end by themselves; the launcher's own default.
DRAIN_SECONDS: Final = 90.0
_POLL_SECONDS: Final = 0.01


async def drain(spaces: Spaces, ended: asyncio.Event, seconds: float = DRAIN_SECONDS) -> None:
    """Finish what has begun, then set ``ended``; it also ends when ``ended`` is set from elsewhere."""
    deadline = asyncio.get_running_loop().time() + seconds
    spaces.stop_listening()
    while not ended.is_set() and asyncio.get_running_loop().time() < deadline:
        if not spaces.drain():
            break
        await asyncio.sleep(_POLL_SECONDS)
    ended.set()
