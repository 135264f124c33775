"""The waits of a plan: pauses, gates, and the keep-alive that breaks a long silence."""

import asyncio
from collections.abc import Callable
from time import monotonic

from tgi_conformance.fake_server.engine.plans import Gate, KeepAlive, Wait
from tgi_conformance.fake_server.space.gates import SpaceGate


class Pauses:
    """Waits for one step at a time, then calls ``go_on``; ``speak`` is given what breaks the silence."""

    def __init__(
        self,
        gate: Callable[[str], SpaceGate],
        go_on: Callable[[], None],
        speak: Callable[[bytes], None],
    ) -> None:
        self._gate = gate
        self._go_on = go_on
        self._speak = speak
        self._timer: asyncio.TimerHandle | None = None
        self._keep_alive: asyncio.TimerHandle | None = None
        self._leave_gate: Callable[[], None] | None = None

    @property
    def waiting(self) -> bool:
        """Whether a step is being waited for."""
        return self._timer is not None or self._leave_gate is not None

    def begin(self, step: Wait | Gate, since: float, keep: KeepAlive | None) -> bool:
        """Begin to wait; false where the gate stands open.

        A pause counts from ``since`` (monotonic seconds; 0: from now). ``keep``: None where nothing is said.
        """
        if isinstance(step, Wait):
            self._timer = asyncio.get_running_loop().call_at(
                (since or monotonic()) + step.seconds, self._over
            )
        else:
            gate = self._gate(step.name)
            if gate.enter(self._over):
                return False
            self._leave_gate = lambda: gate.leave(self._over)
        if keep is not None and (isinstance(step, Gate) or step.seconds > keep.seconds):
            self._keep_alive = asyncio.get_running_loop().call_later(keep.seconds, self._break_silence, keep)
        return True

    def stop(self) -> None:
        """Wait no more."""
        self._end_silence()
        if self._timer is not None:
            self._timer.cancel()
        if self._leave_gate is not None:
            self._leave_gate()
        self._timer = self._leave_gate = None

    def _over(self) -> None:
        self._timer = self._leave_gate = None
        self._end_silence()
        self._go_on()

    def _break_silence(self, keep: KeepAlive) -> None:
        self._keep_alive = asyncio.get_running_loop().call_later(keep.seconds, self._break_silence, keep)
        self._speak(keep.data)

    def _end_silence(self) -> None:
        if self._keep_alive is not None:
            self._keep_alive.cancel()
            self._keep_alive = None
