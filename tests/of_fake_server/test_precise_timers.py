"""The fake server's event loop: no timer is early, and what comes meanwhile is not left waiting for one."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from tgi_conformance.fake_server.service.precise_timers import precise_event_loop


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await test()

    with asyncio.Runner(loop_factory=precise_event_loop) as runner:
        runner.run(bounded())


@pytest.mark.parametrize("seconds", [0.0, 0.000_05, 0.001, 0.0021, 0.01])
def test_no_timer_is_early(seconds: float) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(10):
            fired: asyncio.Future[float] = loop.create_future()
            due = loop.time() + seconds
            loop.call_at(due, lambda fired=fired: fired.set_result(loop.time()))
            assert await fired >= due - 1e-9

    run(test)


def test_timers_fire_in_their_order() -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        order: list[int] = []
        start = loop.time()
        for number in (3, 1, 2, 0):
            loop.call_at(start + 0.003 + number * 0.0005, order.append, number)
        await asyncio.sleep(0.01)
        assert order == [0, 1, 2, 3]

    run(test)


def test_what_can_be_read_is_read_before_a_timer_that_is_far() -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        with left, right:
            right.setblocking(False)  # noqa: FBT003
            far = loop.call_later(0.9, lambda: None)
            for delay in (0.0, 0.002, 0.004):
                loop.call_later(delay, left.send, b"x")
                assert await loop.sock_recv(right, 1) == b"x"
                assert loop.time() < far.when()
            far.cancel()

    run(test)
