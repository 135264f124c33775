"""Before a run against a real endpoint: whether it is there, lets us in, and is a TGI; in words if not.

Free routes first, then at most one generation; all of it is counted by the egress.
"""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.fake_server.forwarding.onward import ALIAS_HEADER, PROBLEM_HEADER, TOKEN_HEADER

_PATIENCE: Final = 60.0
#: Seconds between two looks at a model that is still loading.
_LOOK: Final = 2.0
_REFUSED: Final = frozenset({401, 403})
_QUOTED: Final = 160
_ANY_SERVER: Final = "--any-server takes a server that answers POST /v1/chat/completions"
#: The model that clients name where nothing is asked of them, as TGI lets them.
_MODEL: Final = "tgi"
_CHAT: Final = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Said:
    """What the endpoint, or the egress in its place, answered to one request."""

    status: int
    content_type: str
    body: bytes
    #: Why the egress answered itself.
    problem: str = ""

    @property
    def json(self) -> JSON:
        """The body as JSON; None where it is none."""
        try:
            value: JSON = json.loads(self.body)
        except ValueError:
            return None
        return value

    @property
    def text(self) -> str:
        """The beginning of the body, on one line."""
        return " ".join(self.body.decode(errors="replace").split())[:_QUOTED]

    @property
    def is_page(self) -> bool:
        """Whether a page for people came."""
        return "html" in self.content_type or self.body.lstrip()[:1] == b"<"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What the preflight found."""

    #: Why the endpoint cannot be used; empty: it can.
    problem: str = ""
    model: str = ""
    version: str = ""
    remarks: tuple[str, ...] = field(default=())
    #: That it is another server than a TGI, which does not keep a run from one that takes any server.
    other: str = ""


Ask = Callable[[str, str, JSON], Said]


def look(ask: Ask, *, model: str = "", wait_ready: float = 0.0, any_server: bool = False) -> Looked:
    """Look at an endpoint.

    ``ask`` takes method, path and body; ``model`` is the one that is expected there, if any is; for
    ``wait_ready`` seconds a model that is still loading is waited for; ``any_server`` takes another
    server than a TGI too, where it answers chats as OpenAI's API does.
    """
    found = _look(ask, model, wait_ready)
    if not found.other:
        return found
    return _chatting(ask, found.other) if any_server else Looked(problem=f"{found.other}; {_ANY_SERVER}")


def _look(ask: Ask, model: str, wait_ready: float) -> Looked:
    health = _ready(ask, wait_ready)
    if problem := _in_the_way(health, "GET /health"):
        return Looked(problem=problem)
    info = ask("GET", "/info", None)
    if problem := _in_the_way(info, "GET /info"):
        return Looked(problem=problem)
    told = info.json
    if info.status == 200 and isinstance(told, dict) and "model_id" in told:
        served, version = str(told["model_id"]), str(told.get("version", ""))
        remarks = _other_model(served, model)
        return Looked(model=served, version=version, remarks=remarks)
    return _without_info(ask, health, info)


def _ready(ask: Ask, wait_ready: float) -> Said:
    until = time.monotonic() + wait_ready
    while True:
        health = ask("GET", "/health", None)
        if health.status != 503 or health.problem or time.monotonic() >= until:
            return health
        time.sleep(min(_LOOK, max(0.0, until - time.monotonic())))


def _in_the_way(said: Said, what: str) -> str:
    """What keeps the run from the endpoint, where this answer shows it."""
    if said.problem:
        return said.text
    if said.status in _REFUSED:
        return f"{what} was answered {said.status}: the key is not accepted (HF_API_KEY): {said.text}"
    if said.status == 503:
        return (
            f"{what} was answered 503: the model is still loading; --wait-ready S waits for it: {said.text}"
        )
    if said.is_page:
        return f"{what} gave a page for people ({said.status}): this is a gateway, or the path is wrong"
    return ""


def _other_model(served: str, wanted: str) -> tuple[str, ...]:
    if not wanted or served == wanted:
        return ()
    return (f"the endpoint serves {served}, and HF_MODEL_ID says {wanted}",)


def _without_info(ask: Ask, health: Said, info: Said) -> Looked:
    """Look at an endpoint that does not tell of itself as TGI does."""
    if who := _who(ask):
        return Looked(other=f"this looks like {who}, not like TGI: GET /info was answered {info.status}")
    made = ask("POST", "/generate", {"inputs": "Hello", "parameters": {"max_new_tokens": 1}})
    if problem := _in_the_way(made, "POST /generate"):
        return Looked(problem=problem)
    told = made.json[0] if isinstance(made.json, list) and made.json else made.json
    if made.status == 200 and isinstance(told, dict) and "generated_text" in told:
        return Looked(
            remarks=("GET /info is not there, as behind a hosted endpoint; POST /generate answers",)
        )
    tried = f"GET /health ({health.status}), GET /info ({info.status}) and POST /generate ({made.status})"
    if made.status == 404:
        return Looked(other=f"nothing of TGI is at this path: {tried} were tried; is the base URL right?")
    return Looked(other=f"this is no TGI: {tried} were tried; the last said: {made.text}")


def _chatting(ask: Ask, other: str) -> Looked:
    """Look whether another server answers chats as a client of TGI asks for them."""
    body: JSON = {"model": _MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    made = ask("POST", _CHAT, body)
    if problem := _in_the_way(made, f"POST {_CHAT}"):
        return Looked(problem=f"{other}; {problem}")
    told = made.json
    if made.status == 200 and isinstance(told, dict) and told.get("choices"):
        return Looked(remarks=(f"{other}; POST {_CHAT} answers, and --any-server was given",))
    return Looked(
        problem=f"{other}; POST {_CHAT} for the model {_MODEL} was answered {made.status}: {made.text}"
    )


#: Path, a member that its answer has, and the server that has such a route.
_OTHERS: Final = (
    ("/version", "version", "vLLM"),
    ("/get_server_info", "model_path", "SGLang"),
    ("/props", "default_generation_settings", "llama.cpp"),
)


def _who(ask: Ask) -> str:
    """Which other server it is; empty: it cannot be told."""
    for path, member, name in _OTHERS:
        said = ask("GET", path, None)
        if said.status == 200 and isinstance(said.json, dict) and member in said.json:
            return name
    models = ask("GET", "/v1/models", None).json
    owners = list(_owners(models))
    known = {"vllm": "vLLM", "sglang": "SGLang", "llamacpp": "llama.cpp"}
    return next((known[owner] for owner in owners if owner in known), "")


def _owners(models: JSON) -> Iterator[str]:
    listed = models.get("data") if isinstance(models, dict) else None
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict):
            yield str(each.get("owned_by", ""))


def asking_by(url: str, token: str, alias: str = "A") -> Ask:
    """What asks the endpoint of an alias through the egress."""
    parts = urlsplit(url)

    def ask(method: str, path: str, body: JSON) -> Said:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
        headers = {TOKEN_HEADER: token, ALIAS_HEADER: alias}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["content-type"] = "application/json"
        with closing(connection):
            try:
                connection.request(method, path, body=content, headers=headers)
                answer = connection.getresponse()
                return Said(
                    answer.status,
                    answer.getheader("content-type", ""),
                    answer.read(),
                    answer.getheader(PROBLEM_HEADER, ""),
                )
            except (OSError, http.client.HTTPException) as error:
                return Said(0, "", f"the egress does not answer: {error!r}".encode(), "lost")

    return ask
