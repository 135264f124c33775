"""The driver: one adapter in its child process, started again when it was lost (design, section 5)."""

import difflib
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from tgi_conformance.backends.driver.call import Call
from tgi_conformance.backends.driver.events import Census, Hello, LogRecord
from tgi_conformance.backends.driver.output import OutputLog
from tgi_conformance.backends.driver.session import BackendGoneError, BackendStartError, Exit, Session
from tgi_conformance.backends.driver.spec import BackendSpec
from tgi_conformance.contracts.adapter import SETTINGS, Description
from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.codec import DecodeError, from_json
from tgi_conformance.contracts.fault import Ownership
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.outside import Outside

__all__ = [
    "BackendGoneError",
    "BackendStartError",
    "Call",
    "Census",
    "Driver",
    "Exit",
    "LogRecord",
    "Went",
    "read_description",
]

START_DEADLINE: Final = 30.0
GONE: Final = "the backend's process ended twice before a call reached it"
#: Calls that take generation parameters.
PARAMETER_METHODS: Final = ("generate", "chat", "completions")


@dataclass(frozen=True, slots=True)
class Went:
    """Where a backend went between two censuses; None: the host does not watch that."""

    connects: tuple[str, ...] | None
    lookups: tuple[str, ...] | None
    outside: tuple[Outside, ...]


class Driver:
    """Calls a backend through its adapter. Thread-safe.

    A host that crashed or was killed is replaced at the next call; ``generation`` tells how often, since
    endpoints made in an earlier life are gone with it.
    """

    def __init__(self, spec: BackendSpec, env: Mapping[str, str], *, inproc: bool, deadline: float) -> None:
        self.spec = spec
        self.generation = 0
        self.last_exit: Exit | None = None
        self._env = dict(env)
        self._inproc = inproc
        self._deadline = deadline
        self._output = OutputLog()
        self._lock = threading.RLock()
        self._closed = False
        self._session, hello = self._open()
        self.description = read_description(hello, self._kill_and_tell)
        self._ownership = Ownership(code=hello.code, packages=self.description.packages)
        self._tell_session()
        self.implemented = frozenset(hello.implemented)
        self.language = hello.language
        #: What keeps the backend on this machine.
        self.fence = hello.fence
        #: Whether a call may ask for a fresh event loop.
        self.fresh_loop = hello.fresh_loop
        self._went: list[Went] = []

    @classmethod
    def start(
        cls,
        spec: BackendSpec,
        *,
        env: Mapping[str, str] | None = None,
        inproc: bool = False,
        deadline: float = START_DEADLINE,
    ) -> Self:
        """Start the host and have the adapter describe itself; raises :class:`BackendStartError`."""
        return cls(spec, env or {}, inproc=inproc, deadline=deadline)

    def call(
        self, method: str, args: Mapping[str, object], *, stream: bool = False, fresh_loop: bool = False
    ) -> Call:
        """Begin a call and return at once; ``stream`` adds ``stream=True`` to the arguments.

        ``fresh_loop`` ends the event loop of the calls so far; only where :attr:`fresh_loop` says it can.
        Raises TypeError or ValueError for arguments that cannot travel. What the backend does is an outcome.
        """
        if method not in self.implemented:
            return _ended(method, missing=f"the adapter has no method {method}")
        if stream:
            args = {**args, "stream": True}
        try:
            for _ in range(2):  # None: the host ended just now, before this call reached it
                session = self._living()
                if call := session.start_call(method, args, stream=stream, fresh_loop=fresh_loop):
                    return call
            return _ended(method, crash=GONE)
        except BackendStartError as error:
            return _ended(method, crash=str(error))

    def run(
        self,
        method: str,
        args: Mapping[str, object] | None = None,
        *,
        stream: bool = False,
        fresh_loop: bool = False,
        deadline: float = 10.0,
    ) -> Outcome:
        """Make a call and wait for its end."""
        return self.call(method, args or {}, stream=stream, fresh_loop=fresh_loop).wait(deadline)

    def census(self, deadline: float = 10.0, *, collect: bool = True) -> Census:
        """Ask what lives in the backend's process; raises :class:`BackendGoneError`.

        Without ``collect`` threads, tasks and descriptors may count what is garbage already.

        A host that was lost is started again first, which may raise :class:`BackendStartError`.
        """
        census = self._living().census(deadline, collect=collect)
        self._went.append(Went(census.connects, census.lookups, census.outside))
        return census

    def went(self) -> list[Went]:
        """Return where the backend went, as every census since the last time this was asked has told it."""
        went, self._went = self._went, []
        return went

    def output(self) -> str:
        """Return what the backend printed, in all lives of its process (the last MiB)."""
        return self._output.since(0)

    def mark_output(self) -> int:
        """Return a mark for :meth:`output_since`."""
        return self._output.mark()

    def output_since(self, mark: int) -> str:
        """Return what was printed after a mark; it says how much was dropped of more than a MiB."""
        return self._output.since(mark)

    @property
    def violations(self) -> tuple[str, ...]:
        """What the present host sent against the protocol."""
        return tuple(self._session.violations)

    @property
    def pid(self) -> int:
        """Process id of the present host."""
        return self._session.pid

    def restart(self) -> None:
        """End the host and start a fresh one; raises :class:`BackendStartError`."""
        with self._lock:
            self._session.kill("the driver restarted it")
            self._replace()

    def close(self, grace: float = 2.0) -> Exit:
        """Let the backend's interpreter end as a program does; kill it after ``grace`` seconds."""
        with self._lock:
            if not self._closed or self.last_exit is None:
                self._closed = True
                self.last_exit = self._session.close(grace)
            return self.last_exit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _living(self) -> Session:
        with self._lock:
            if self._closed:
                raise RuntimeError("the driver is closed; start another one")
            if not self._session.alive:
                self._replace()
            return self._session

    def _replace(self) -> None:
        self._session.kill("it is replaced")
        self._session, _ = self._open()
        self._tell_session()
        self.generation += 1

    def _tell_session(self) -> None:
        """Hand on what the adapter has said about itself, and calls are read by."""
        self._session.failure = self.description.failure
        self._session.ownership = self._ownership
        self._session.trims = self.description.trims

    def _open(self) -> tuple[Session, Hello]:
        session = Session(self.spec, self._env, self._output, inproc=self._inproc)
        # A run that ends without close() must not leave a backend behind.
        weakref.finalize(self, session.kill, "the driver is gone")
        return session, session.hello(self._deadline)

    def _kill_and_tell(self, text: str) -> BackendStartError:
        self._session.kill("it cannot be used")
        return BackendStartError("describe", text, self._output.since(0), label=self.spec.label)


def _ended(method: str, *, missing: str = "", crash: str = "") -> Call:
    call = Call(0, method, None)
    if missing:
        call.miss(missing)
    else:
        call.crash(crash)
    return call


def read_description(hello: Hello, fail: Callable[[str], BackendStartError]) -> Description:
    """Read an adapter's description; raises what ``fail`` makes of a mistake. ``core`` is always claimed."""
    try:
        description = from_json(Description, hello.description)
    except DecodeError as error:
        raise fail(f"describe(): {error}") from error
    for field, given, known in (
        ("capabilities", description.capabilities, tuple(CAPABILITIES)),
        ("settings", description.settings, SETTINGS),
        ("parameters", description.parameters, PARAMETER_METHODS),
    ):
        if unknown := _unknown(given, known):
            raise fail(f"describe(): {field}: {unknown}")
    if missing := {"describe", "create_endpoint"} - set(hello.implemented):
        raise fail(f"the adapter has no method {', '.join(sorted(missing))}; both must exist")
    return replace(description, capabilities=description.capabilities | {"core"})


def _unknown(given: Iterable[str], known: tuple[str, ...]) -> str:
    strangers = sorted(set(given) - set(known))
    if not strangers:
        return ""
    near = difflib.get_close_matches(strangers[0], known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {strangers}{hint} known: {', '.join(known)}"
