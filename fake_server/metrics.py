"""The traffic of one space as TGI's metrics tell it.

An exchange is counted once it is over, so that what was dropped shows as dropped; until then it stands
in the current batch.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.script import Server
from tgi_conformance.contracts.tgi_metrics import DROPPED, FAILURES, METRICS, Observed, exposition, observed
from tgi_conformance.fake_server.journal_builder import ExchangeRecord

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

    def book(self, record: ExchangeRecord, seen: Seen) -> None:
        """Take a generation request that is being answered."""
        self._open.append((record, seen))
        self._count("tgi_request_count", 1)
        while self._open and self._open[0][0].over:
            self._fold(*self._open.popleft())

    def text(self) -> str:
        """The text of ``/metrics``."""
        still = deque(item for item in self._open if not item[0].over)
        for record, seen in self._open:
            if record.over:
                self._fold(record, seen)
        self._open = still
        running = [seen for _, seen in still if seen.error_type is None]
        self._numbers[("tgi_queue_size", "")] = 0
        self._numbers[("tgi_batch_current_size", "")] = len(running)
        self._numbers[("tgi_batch_current_max_tokens", "")] = sum(
            seen.prompt_tokens + seen.max_new_tokens for seen in running
        )
        return exposition(self._numbers, self._histograms)

    def _fold(self, record: ExchangeRecord, seen: Seen) -> None:
        if seen.error_type is not None:
            self._count("tgi_request_failure", 1, FAILURES.get(seen.error_type, seen.error_type))
            return
        if record.ending == "client":
            self._count("tgi_request_failure", 1, DROPPED)
            return
        ended = record.replied_at or record.request.received_at
        seconds = max(ended - record.request.received_at, 0.0)
        self._succeeded(seen, seconds)

    def _succeeded(self, seen: Seen, seconds: float) -> None:
        self._count("tgi_request_success", 1)
        decodes = max(seen.generated_tokens - 1, 0)
        for method, times in (("prefill", 1), ("decode", decodes)):
            if times:
                self._count("tgi_batch_inference_count", times, method)
                self._count("tgi_batch_inference_success", times, method)
                share = seconds / max(seen.generated_tokens, 1)
                self._observe("tgi_batch_inference_duration", share, method, times)
                self._observe("tgi_batch_forward_duration", share, method, times)
                self._observe("tgi_batch_decode_duration", 0.0, method, times)
                self._observe("tgi_batch_filter_duration", 0.0, method, times)
        self._count("tgi_request_skipped_tokens", seen.generated_tokens)
        self._observe("tgi_batch_next_size", 1)
        self._observe("tgi_request_input_length", seen.prompt_tokens)
        self._observe("tgi_request_generated_tokens", seen.generated_tokens)
        self._observe("tgi_request_max_new_tokens", seen.max_new_tokens)
        self._observe("tgi_request_duration", seconds)
        self._observe("tgi_request_inference_duration", seconds)
        self._observe("tgi_request_mean_time_per_token_duration", seconds / max(seen.generated_tokens, 1))
        self._observe("tgi_request_queue_duration", 0.0)
        self._observe("tgi_request_validation_duration", 0.0)

    def _count(self, name: str, times: int, label: str = "") -> None:
        self._numbers[(name, label)] = self._numbers.get((name, label), 0) + times

    def _observe(self, name: str, value: float, label: str = "", times: int = 1) -> None:
        found = self._histograms.get((name, label))
        if found is None:
            server = self._server
            found = observed(_BY_NAME[name], server.max_input_tokens, server.max_total_tokens)
            self._histograms[(name, label)] = found
        found.add(value, times)
