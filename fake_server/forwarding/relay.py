"""One forwarded answer: what the upstream server sends becomes steps, no faster than they go out."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from tgi_conformance.fake_server.engine.answers import Growth
from tgi_conformance.fake_server.engine.plans import Plan, Step, Write
from tgi_conformance.fake_server.forwarding.growing import ForeignHead, Growing
from tgi_conformance.fake_server.forwarding.onward import Onward
from tgi_conformance.fake_server.forwarding.reaching import UpstreamError
from tgi_conformance.fake_server.forwarding.upstream import End, Head, Piece
from tgi_conformance.fake_server.journal.builder import AnswerRecord, ExchangeRecord, JournalBuilder

#: The upstream server was waited for, not this one's delivery or the client.
_UNFINISHED: Final = "the rest of the answer had not come"


class Relay:
    """Feeds the exchange with a client from the exchange with the upstream server.

    ``wake`` is called whenever there is something new. Further parts are read once the steps of those before
    were taken and done: :meth:`take` asks for more, so a slow reader slows the upstream server.
    """

    def __init__(
        self,
        onward: Onward,
        plan: Plan,
        growth: Growth,
        record: ExchangeRecord,
        journal: JournalBuilder,
        wake: Callable[[], None],
        *,
        target: str,
    ) -> None:
        """``target``: of the request, below the mount."""
        self._parts = onward.exchange(record.request, target=target, alias=record.key)
        self._growing = Growing(plan, growth)
        self._journal = journal
        self._wake = wake
        self._steps: list[Step] = []
        self._held: list[Step] = []
        self._room = asyncio.Event()
        self._kept = record.answer = AnswerRecord()
        self._name = record.reply or "the forwarded answer"
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def plan(self) -> Plan:
        """The plan as far as it is known."""
        return self._growing.plan

    @property
    def over(self) -> bool:
        """Whether no further step will come."""
        return self._growing.over and not self._steps

    def take(self) -> list[Step]:
        """The steps that have come; to ask again says that they are done."""
        steps, self._steps = self._steps, []
        self._room.set()
        return steps

    def written(self, step: Write, at: float) -> None:
        """Keep what was handed to the kernel; ``at`` in monotonic seconds."""
        if step.kept:
            self._journal.keep_part(self._kept, step.kept, at)

    def leave(self) -> None:
        """End the exchange with the upstream server, if it still runs."""
        if self._kept.upstream is None:
            self._kept.upstream = "left"
            if self._room.is_set() and not self._growing.over:
                self._kept.problem = _UNFINISHED
        self._task.cancel()

    async def _run(self) -> None:
        try:
            async with aclosing(self._parts) as parts:
                async for part in parts:
                    steps = self._steps_of(part)
                    if isinstance(part, Head) and part.status // 100 != 2 and not self._growing.over:
                        # A client may leave at the sight of an error's status; its text is wanted too.
                        self._held = steps
                        continue
                    self._give(steps)
                    if self._growing.over:
                        break
                    await self._room.wait()
        except UpstreamError as error:
            self._kept.upstream, self._kept.problem = "failed", str(error)
            self._give(self._growing.failed(str(error), 401 if error.obstacle == "key" else 502))
        except Exception as error:  # noqa: BLE001 - a mistake of this server's: booked, and told to the client
            self._journal.fault(f"{self._name}: {error!r}")
            self._give(self._growing.failed("the fake server made a mistake; its journal says which"))

    def _steps_of(self, part: Head | Piece | End) -> list[Step]:
        growing, kept = self._growing, self._kept
        if isinstance(part, Head):
            kept.status, kept.reason, kept.headers = part.status, part.reason, part.headers
            return growing.head(ForeignHead(part.status, part.reason, part.headers))
        if isinstance(part, Piece):
            return growing.body(part.content)
        kept.upstream = part.ending
        steps = growing.end(part.ending)
        if growing.missed_fault:
            self._journal.note(f"{self._name}: the answer ended before the place of the fault")
        return steps

    def _give(self, steps: list[Step]) -> None:
        """Add steps, behind the head that waits for them."""
        steps, self._held = [*self._held, *steps], []
        self._steps += steps
        if steps:
            self._room.clear()
        self._wake()
