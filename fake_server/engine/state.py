"""What of a space decides an answer, and where in it a request's path leads."""

from collections.abc import Callable
from dataclasses import dataclass

from tgi_conformance.contracts.script import Persona, Server
from tgi_conformance.contracts.tgi.info import ROUTES, Route
from tgi_conformance.contracts.tgi.personas import PERSONAS, Traits


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What of a space decides an answer, at one moment."""

    server: Server
    mount: str = ""
    #: Whether the request carries one of the space's keys.
    known_key: bool = True
    closed: bool = False
    permits_used: int = 0
    #: Seconds since the epoch, and the same as an HTTP date.
    now: int = 0
    date: str = ""
    persona: Persona = "tgi-3.3"
    #: The text of ``/metrics``.
    metrics: Callable[[], str] = str

    @property
    def traits(self) -> Traits:
        """What sets the imitated server apart."""
        return PERSONAS[self.persona]

    @property
    def validates(self) -> bool:
        """Whether requests are decoded and validated as TGI does it."""
        return self.server.validate and not self.traits.openai


def path_below(target_path: str, mount: str) -> str | None:
    """The path below the mount; None where it is outside."""
    if not mount:
        return target_path
    if target_path == mount:
        return "/"
    return target_path[len(mount) :] if target_path.startswith(mount + "/") else None


def served_path(target_path: str, state: State) -> str | None:
    """The path below the mount as TGI has it: the hosted router serves ``/`` under the model's name."""
    path = path_below(target_path, state.mount)
    if not state.traits.by_model:
        return path
    if path == f"/models/{state.server.model_id}":
        return "/"
    return None if path == "/" else path


def served_route(path: str, state: State) -> Route | None:
    """The route of a path below the mount; None where the imitated server has none."""
    return ROUTES.get(path) if state.traits.serves(path) else None
