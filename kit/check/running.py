"""A check of a server: what it says of itself, each request asked and judged, what repeats compared."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Final

from tgi_conformance.check.asked import Answered, Asked, Finding
from tgi_conformance.check.expecting import Expected, Generated, expected
from tgi_conformance.check.generating import every_request
from tgi_conformance.check.kinds import TGI_3_3, Kind
from tgi_conformance.check.sending import Send, within
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Server
from tgi_conformance.fake_server.egress.budget import Budget

#: Members of ``/info`` that are settings of the launcher, and what the rules call them.
_SETTINGS: Final[Mapping[str, str]] = {
    "max_best_of": "max_best_of",
    "max_concurrent_requests": "max_concurrent_requests",
    "max_stop_sequences": "max_stop_sequences",
    "max_client_batch_size": "max_client_batch_size",
    "max_input_tokens": "max_input_tokens",
    "max_total_tokens": "max_total_tokens",
    "model_id": "model_id",
}
#: Statuses with which a server says that it cannot answer now: they decide nothing.
_NOT_NOW: Final = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check came to."""

    url: str
    asked: int
    findings: tuple[Finding, ...] = ()
    #: Requests that nothing can be said of, and why: the server was busy, or the budget used up.
    undecided: tuple[tuple[Asked, str], ...] = ()
    routes: tuple[str, ...] = field(default=())


def server_of(info: JSON) -> Server:
    """The settings that a server tells of itself; what it does not tell is as the launcher has it."""
    told = info if isinstance(info, dict) else {}
    known = {field.name for field in fields(Server)}
    given = {
        name: told[member]
        for member, name in _SETTINGS.items()
        if name in known and isinstance(told.get(member), str if name == "model_id" else int)
    }
    return Server(**given)


def check(
    send: Send,
    url: str,
    budget: Budget,
    requests: Iterable[Asked] | None = None,
    kind: Kind = TGI_3_3,
) -> Checked:
    """Ask and judge; ``requests``: others than all that the domains give; ``kind``: what it is checked as."""
    server = server_of(send(Asked(name="info", method="GET", path="/info", content_type=None)).value)
    findings: list[Finding] = []
    undecided: list[tuple[Asked, str]] = []
    texts: dict[bytes, str] = {}
    count, routes = 0, dict[str, None]()
    every = every_request() if requests is None else requests
    for asked, refused in within(budget, (one for one in every if kind.asks(expected(one, server)))):
        if refused:
            undecided.append((asked, refused))
            continue
        answered = send(asked)
        count += 1
        routes[f"{asked.method} {asked.path}"] = None
        if answered.status in _NOT_NOW:
            undecided.append((asked, f"{answered.status}: {answered.text}"))
            continue
        wanted = expected(asked, server)
        findings += kind.judge(asked, wanted, answered)
        if kind.repeats:
            findings += _repeats(asked, wanted, answered, texts)
    return Checked(
        url=url,
        asked=count,
        findings=tuple(findings),
        undecided=tuple(undecided),
        routes=tuple(routes),
    )


def _repeats(
    asked: Asked, wanted: Expected | None, answered: Answered, texts: dict[bytes, str]
) -> Iterator[Finding]:
    """The same request with a seed has to get the same text."""
    value = answered.value
    if not isinstance(wanted, Generated) or wanted.request.parameters.seed is None or asked.body is None:
        return
    if not isinstance(value, dict) or "generated_text" not in value:
        return
    text = str(value["generated_text"])
    before = texts.setdefault(asked.body + asked.path.encode(), text)
    if before != text:
        yield Finding(
            route=f"{asked.method} {asked.path}",
            rule="seed repeats",
            expected=f"the same text for the same seed: {before!r}",
            observed=repr(text),
            asked=asked,
        )
