# ruff: noqa: ARG002 -- the shape of an adapter
"""Async faces and the event loops that they are used in."""

import asyncio

from tgi_conformance.backends.reference.adapter import AsyncReferenceAdapter


class TellsItsLoop:
    """Answers with what it knows of its loops; a task of it outlives its call."""

    def __init__(self):
        self.loops = []
        self.left = None

    def describe(self):
        return {"name": "tells-its-loop", "capabilities": ["chat", "async", "stream"]}

    async def create_endpoint(self, **settings):
        return "e1"

    async def chat(self, messages, *, endpoint_id=None, stream=False, **parameters):
        loop = asyncio.get_running_loop()
        if loop not in self.loops:
            self.loops.append(loop)
        if self.left is None:
            self.left = loop.create_task(asyncio.Event().wait())
        closed = sum(each.is_closed() for each in self.loops)
        task = "cancelled" if self.left.cancelled() else "alive"
        text = f"{len(self.loops)} loops, {closed} closed, task {task}"
        return _pieces(text) if stream else text


async def _pieces(text):
    yield text


class OneLoopError(RuntimeError):
    """The client is used in another loop than the one it was made for."""


class RefusesAnotherLoop(AsyncReferenceAdapter):
    """Says so where it is used in another loop than its first."""

    def __init__(self):
        super().__init__()
        self.loop = None

    async def chat(self, messages, **given):
        self.loop = self.loop or asyncio.get_running_loop()
        if self.loop is not asyncio.get_running_loop():
            raise OneLoopError("this client belongs to the event loop of its first call")
        return await super().chat(messages, **given)
