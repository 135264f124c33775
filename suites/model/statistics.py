"""What the statistics of an endpoint may say, given the calls that the model made. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tgi_conformance.suites.model.state import Breach, CallState, EndpointState, Phase, breach_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The least and the most that a counter may show."""

    least: int
    most: int

    def hold(self, value: object) -> bool:
        """Whether a shown value lies inside; one that is no number does not."""
        return isinstance(value, int) and self.least <= value <= self.most

    def __str__(self) -> str:
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


def counters(endpoint: EndpointState) -> dict[str, Bounds]:
    """The bounds of the three request counters.

    Calls under way may be in the total already. A call that was cancelled, left, refused or closed may be
    counted anywhere, or apart (STAT-01).
    """
    calls = endpoint.calls[endpoint.forgotten :]
    good = sum(call.ending == "good" for call in calls if not call.live)
    failed = sum(call.ending == "failed" for call in calls if not call.live)
    free = sum(call.ending == "free" for call in calls if not call.live)
    # One that sleeps for long, or need not come back, may have been given up by now.
    given_up = sum(call.phase is Phase.ASLEEP and (call.banned or call.may_end) for call in calls)
    left = sum(call.ending == "free" and call.streaming for call in calls if not call.live)
    return {
        "total_requests": Bounds(least=good + failed, most=len(calls)),
        "successful_requests": Bounds(least=good, most=good + left),
        "failed_requests": Bounds(least=failed, most=failed + free + given_up),
    }


def tokens(endpoint: EndpointState) -> dict[str, int] | None:
    """The token counts; None where they are not certain: a stream states its usage only if asked."""
    calls = endpoint.calls[endpoint.forgotten :]
    if any(call.streaming and not call.live and call.ending != "failed" for call in calls):
        return None
    stated = [call.last.usage for call in calls if call.ending == "good" and call.last is not None]
    prompt, completion = sum(use[0] for use in stated), sum(use[1] for use in stated)
    return {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}


def problem(endpoint: EndpointState, shown: Mapping[str, object]) -> Breach | None:
    """The breach that an endpoint's statistics show, if any."""
    return (
        _wrong_current(endpoint, shown) or _wrong_counter(endpoint, shown) or _wrong_tokens(endpoint, shown)
    )


def _wrong_current(endpoint: EndpointState, shown: Mapping[str, object]) -> Breach | None:
    if "current_requests" not in shown:
        return None
    asleep = len(endpoint.among(Phase.ASLEEP))
    # A stream that has given up its slot is QUEUE-02's: the next call shows it.
    streams = sum(call.opened for call in endpoint.among(Phase.SENT))
    bounds = Bounds(least=endpoint.sent - streams, most=endpoint.sent + asleep)
    if bounds.hold(shown["current_requests"]):
        return None
    return breach_of("QUEUE-05" if endpoint.had_failures else "QUEUE-06")(
        f"current_requests {bounds} of {endpoint.name}: that many are on the wire"
        + (f", {asleep} asleep" if asleep else ""),
        repr(shown["current_requests"]),
    )


def _wrong_counter(endpoint: EndpointState, shown: Mapping[str, object]) -> Breach | None:
    for name, bounds in counters(endpoint).items():
        if not bounds.hold(shown.get(name)):
            clause = _whose(endpoint, name, bounds, shown)
            return breach_of(clause)(
                f"{name} {bounds} of {endpoint.name}", f"{name} {shown.get(name)!r} in {_told(shown)}"
            )
    total, parts = shown["total_requests"], (shown["successful_requests"], shown["failed_requests"])
    calls = endpoint.calls[endpoint.forgotten :]
    open_ends = sum(call.live or call.ending == "free" for call in calls)
    gap = int(str(total)) - sum(int(str(part)) for part in parts)
    if 0 <= gap <= open_ends:
        return None
    return breach_of("STAT-01")(
        f"total_requests that is the sum of successful and failed of {endpoint.name}, up to the {open_ends}"
        " calls under way or ended by the caller",
        _told(shown),
    )


def _whose(endpoint: EndpointState, name: str, bounds: Bounds, shown: Mapping[str, object]) -> str:
    """The clause that a counter outside its bounds breaks."""
    value = shown.get(name)
    calls = endpoint.calls[endpoint.forgotten :]
    if not isinstance(value, int):
        return "STAT-01"
    if value < bounds.least:
        return "STAT-10" if endpoint.reset_elsewhere else "STAT-01"
    attempts = sum(call.attempts for call in calls)
    if attempts > len(calls) and value <= attempts:
        return "STAT-09"
    if name == "successful_requests" and value <= bounds.most + _broken_streams(calls):
        return "STAT-02"
    return "STAT-08"


def _broken_streams(calls: Iterable[CallState]) -> int:
    return sum(call.streaming and call.ending == "failed" for call in calls)


def _wrong_tokens(endpoint: EndpointState, shown: Mapping[str, object]) -> Breach | None:
    wanted = tokens(endpoint)
    if wanted is None:
        return None
    seen = {name: shown[name] for name in wanted if name in shown}
    if all(seen[name] == wanted[name] for name in seen):
        return None
    return breach_of("STAT-03")(f"the tokens that the server stated: {wanted}", str(seen))


def aggregate_problem(
    endpoints: Iterable[EndpointState], before: Mapping[str, object], after: Mapping[str, object]
) -> Breach | None:
    """The breach that the sum over endpoints shows: what it grew by is not what they did."""
    every = list(endpoints)
    name = "total_requests"
    shown = (before.get(name), after.get(name))
    if not all(isinstance(value, int) for value in shown):
        return None
    grown = int(str(shown[1])) - int(str(shown[0]))
    of_each = [counters(endpoint)[name] for endpoint in every]
    bounds = Bounds(least=sum(b.least for b in of_each), most=sum(b.most for b in of_each))
    if bounds.hold(grown):
        return None
    return breach_of("STAT-08")(f"an aggregate total_requests that grew by {bounds}", str(grown))


def _told(shown: Mapping[str, object]) -> str:
    names = ("total_requests", "successful_requests", "failed_requests")
    return ", ".join(f"{name} {shown.get(name)!r}" for name in names)
