"""The traffic of one space as TGI's metrics tell it.

An exchange is counted once it is over, so that what was dropped shows as dropped; until then it stands
in the current batch.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.script import Server
from tgi_conformance.contracts.tgi.metrics import DROPPED, FAILURES, METRICS, Observed, exposition, observed
from tgi_conformance.fake_server.journal.builder import ExchangeRecord

_TOGETHER: Final = 1000
"""Requests that are counted together at most."""
_BY_NAME: Final = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the metrics need of one generation request; ``error_type`` None: it succeeds."""

    error_type: str | None = None
    prompt_tokens: int = 0
    generated_tokens: int = 0
    max_new_tokens: int = 0


class Metrics:
    """Counters and histograms of one space."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._open: deque[tuple[ExchangeRecord, Seen]] = deque()
        self._numbers: dict[tuple[str, str], float] = {}
        self._histograms: dict[tuple[str, str], Observed] = {}
        #: Seconds of the requests that succeeded and are not counted yet, by what was seen of them: most
        #: are alike, and a thousand of them are counted almost as fast as one.
        self._uncounted: dict[Seen, list[float]] = {}
        #: What was seen last, and its seconds among those.
        self._latest: Seen | None = None
        self._times: list[float] = []
        self._waiting = 0

    def book(self, record: ExchangeRecord, seen: Seen) -> None:
        """Take a generation request that is being answered."""
        self._open.append((record, seen))
        self._count("tgi_request_count", 1)
        while self._open and self._open[0][0].over:
            self._fold(*self._open.popleft())

    def book_over(self, seen: Seen, seconds: float) -> None:
        """Take a generation request that was answered whole in so many seconds."""
        self._count("tgi_request_count", 1)
        if seen.error_type is not None:
            self._failed(seen.error_type)
        else:
            self._took(seen, seconds)

    def text(self) -> str:
        """The text of ``/metrics``."""
        still = deque(item for item in self._open if not item[0].over)
        for record, seen in self._open:
            if record.over:
                self._fold(record, seen)
        self._open = still
        self._count_succeeded()
        running = [seen for _, seen in still if seen.error_type is None]
        self._numbers[("tgi_queue_size", "")] = 0
        self._numbers[("tgi_batch_current_size", "")] = len(running)
        self._numbers[("tgi_batch_current_max_tokens", "")] = sum(
            seen.prompt_tokens + seen.max_new_tokens for seen in running
        )
        return exposition(self._numbers, self._histograms)

    def _fold(self, record: ExchangeRecord, seen: Seen) -> None:
        if seen.error_type is not None:
            self._failed(seen.error_type)
            return
        if record.ending == "client":
            self._count("tgi_request_failure", 1, DROPPED)
            return
        ended = record.replied_at or record.request.received_at
        self._took(seen, max(ended - record.request.received_at, 0.0))

    def _took(self, seen: Seen, seconds: float) -> None:
        if seen is not self._latest:
            self._latest, self._times = seen, self._uncounted.setdefault(seen, [])
        self._times.append(seconds)
        self._waiting += 1
        if self._waiting >= _TOGETHER:
            self._count_succeeded()

    def _failed(self, error_type: str) -> None:
        self._count("tgi_request_failure", 1, FAILURES.get(error_type, error_type))

    def _count_succeeded(self) -> None:
        for seen, seconds in self._uncounted.items():
            self._succeeded(seen, seconds)
        self._uncounted.clear()
        self._latest = None
        self._waiting = 0

    def _succeeded(self, seen: Seen, seconds: list[float]) -> None:
        """Count requests that were alike but for the time they took."""
        requests = len(seconds)
        shares = [each / max(seen.generated_tokens, 1) for each in seconds]
        self._count("tgi_request_success", requests)
        decodes = max(seen.generated_tokens - 1, 0)
        for method, times in (("prefill", 1), ("decode", decodes)):
            if times:
                self._count("tgi_batch_inference_count", times * requests, method)
                self._count("tgi_batch_inference_success", times * requests, method)
                self._histogram("tgi_batch_inference_duration", method).add_all(shares, times)
                self._histogram("tgi_batch_forward_duration", method).add_all(shares, times)
                self._histogram("tgi_batch_decode_duration", method).add(0.0, times * requests)
                self._histogram("tgi_batch_filter_duration", method).add(0.0, times * requests)
        self._count("tgi_request_skipped_tokens", seen.generated_tokens * requests)
        self._histogram("tgi_batch_next_size").add(1, requests)
        self._histogram("tgi_request_input_length").add(seen.prompt_tokens, requests)
        self._histogram("tgi_request_generated_tokens").add(seen.generated_tokens, requests)
        self._histogram("tgi_request_max_new_tokens").add(seen.max_new_tokens, requests)
        self._histogram("tgi_request_duration").add_all(seconds)
        self._histogram("tgi_request_inference_duration").add_all(seconds)
        self._histogram("tgi_request_mean_time_per_token_duration").add_all(shares)
        self._histogram("tgi_request_queue_duration").add(0.0, requests)
        self._histogram("tgi_request_validation_duration").add(0.0, requests)

    def _count(self, name: str, times: int, label: str = "") -> None:
        self._numbers[(name, label)] = self._numbers.get((name, label), 0) + times

    def _histogram(self, name: str, label: str = "") -> Observed:
        found = self._histograms.get((name, label))
        if found is None:
            server = self._server
            found = observed(_BY_NAME[name], server.max_input_tokens, server.max_total_tokens)
            self._histograms[(name, label)] = found
        return found
