"""``/metrics``: TGI's metrics as a table, and their text form (Prometheus exposition format 0.0.4).

Names, help texts, kinds and buckets are those of router 3.3.6-dev0 (measured); values are the fake's.
"""

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import accumulate
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram", "summary"]
Buckets = Literal["seconds", "input", "total", "batch", "none"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its label values where it has a label, and how its values are bucketed."""

    name: str
    kind: Kind
    help: str
    buckets: Buckets = "none"
    label: str = ""
    values: tuple[str, ...] = ()


_METHODS: Final = ("prefill", "decode")

METRICS: Final = (
    Metric(
        "tgi_batch_inference_count",
        "counter",
        "Inference calls per method (prefill or decode)",
        label="method",
    ),
    Metric(
        "tgi_batch_inference_success",
        "counter",
        "Number of successful inference calls per method (prefill or decode)",
        label="method",
    ),
    Metric("tgi_request_count", "counter", "Total number of requests"),
    Metric("tgi_request_success", "counter", "Number of successful requests"),
    Metric("tgi_request_failure", "counter", "Number of failed requests", label="err"),
    Metric("tgi_queue_size", "gauge", "Current queue size"),
    Metric("tgi_batch_current_max_tokens", "gauge", "Maximum tokens for the current batch"),
    Metric("tgi_batch_current_size", "gauge", "Current batch size"),
    Metric("tgi_request_validation_duration", "histogram", "Request validation duration", "seconds"),
    Metric(
        "tgi_request_mean_time_per_token_duration", "histogram", "Mean time per token per request", "seconds"
    ),
    Metric("tgi_request_inference_duration", "histogram", "Request inference duration", "seconds"),
    Metric("tgi_request_queue_duration", "histogram", "Request queue duration", "seconds"),
    Metric("tgi_request_generated_tokens", "histogram", "Generated tokens per request", "total"),
    Metric(
        "tgi_batch_inference_duration", "histogram", "Batch inference duration", "seconds", "method", _METHODS
    ),
    Metric(
        "tgi_batch_forward_duration",
        "histogram",
        "Batch forward duration per method (prefill or decode)",
        "seconds",
        "method",
        _METHODS,
    ),
    Metric("tgi_request_max_new_tokens", "histogram", "Maximum new tokens per request", "total"),
    Metric(
        "tgi_batch_filter_duration",
        "histogram",
        "Time spent filtering batches and sending generated tokens per method (prefill or decode)",
        "seconds",
        "method",
        _METHODS,
    ),
    Metric("tgi_request_skipped_tokens", "summary", "Speculated tokens per request"),
    Metric("tgi_batch_next_size", "histogram", "Batch size of the next batch", "batch"),
    Metric("tgi_request_duration", "histogram", "Request duration", "seconds"),
    Metric(
        "tgi_batch_decode_duration",
        "histogram",
        "Time spent decoding a batch per method (prefill or decode)",
        "seconds",
        "method",
        _METHODS,
    ),
    Metric("tgi_request_input_length", "histogram", "Input token length per request", "input"),
)

#: What tgi_request_failure calls an error, by its error_type.
FAILURES: Final = {
    "validation": "validation",
    "overloaded": "overloaded",
    "generation": "generation",
    "incomplete_generation": "incomplete",
    "incomplete_generation_stream": "incomplete",
    "template_error": "template",
    "tool_error": "tool_error",
}
#: The client left before its answer was whole.
DROPPED: Final = "dropped"

_QUANTILES: Final = ("0", "0.5", "0.9", "0.95", "0.99", "0.999", "1")
_LARGEST_BATCH: Final = 1024

#: Values by metric and label value ("" without a label): a number, or the observations of a histogram.
Numbers = Mapping[tuple[str, str], float]
Observations = Mapping[tuple[str, str], "Observed"]


@dataclass(slots=True)
class Observed:
    """The observations of one histogram: how many fell into each bucket, the infinite one last."""

    bounds: tuple[float, ...]
    counts: list[int]
    total: float = 0.0
    count: int = 0

    def add(self, value: float, times: int = 1) -> None:
        """Take an observation."""
        self.total += value * times
        self.count += times
        self.counts[bisect_left(self.bounds, value)] += times

    def add_all(self, values: Collection[float], times: int = 1) -> None:
        """Take observations, each ``times`` times."""
        # In order, a search for each bucket finds all that fall into it.
        ordered = sorted(values)
        self.total += sum(ordered) * times
        self.count += len(ordered) * times
        taken = 0
        for index, bound in enumerate(self.bounds):
            if taken == len(ordered):
                return
            below = bisect_right(ordered, bound, taken)
            self.counts[index] += (below - taken) * times
            taken = below
        self.counts[-1] += (len(ordered) - taken) * times


def observed(metric: Metric, max_input: int, max_total: int) -> Observed:
    """An empty histogram for a metric under a server's limits."""
    limits = bounds(metric.buckets, max_input, max_total)
    return Observed(limits, [0] * (len(limits) + 1))


@cache
def bounds(kind: Buckets, max_input: int, max_total: int) -> tuple[float, ...]:
    """The upper bounds of a histogram's buckets, without the infinite one."""
    if kind == "seconds":
        # Multiplied step by step, as the router does: the rounding shows in the text.
        return tuple(accumulate([1.5] * 35, operator.mul, initial=0.0001))[1:]
    if kind == "batch":
        return tuple(float(n) for n in range(1, _LARGEST_BATCH + 1))
    most = max_input if kind == "input" else max_total
    return tuple(most / 100.0 * n for n in range(1, 101))


def exposition(numbers: Numbers, histograms: Observations) -> str:
    """The text of ``/metrics``; a metric that never got a value is left out, as TGI leaves it out."""
    blocks = ("\n".join(lines) for metric in METRICS if (lines := list(_block(metric, numbers, histograms))))
    return "".join(f"{block}\n\n" for block in blocks)


def _block(metric: Metric, numbers: Numbers, histograms: Observations) -> Iterator[str]:
    lines = list(_lines(metric, numbers, histograms))
    if lines:
        yield f"# HELP {metric.name} {metric.help}"
        yield f"# TYPE {metric.name} {metric.kind}"
        yield from lines


def _lines(metric: Metric, numbers: Numbers, histograms: Observations) -> Iterator[str]:
    if metric.kind == "histogram":
        for (name, value), found in histograms.items():
            if name == metric.name and found.count:
                yield from _histogram(metric, value, found)
    elif metric.kind == "summary":
        yield from _summary(metric, numbers)
    else:
        for (name, value), number in numbers.items():
            if name == metric.name:
                yield f"{name}{_labels(metric, value)} {number_text(number)}"


def _summary(metric: Metric, numbers: Numbers) -> Iterator[str]:
    """Nothing is ever speculated here: only the count moves."""
    count = numbers.get((metric.name, ""))
    if count is not None:
        yield from (f'{metric.name}{{quantile="{quantile}"}} 0' for quantile in _QUANTILES)
        yield f"{metric.name}_sum 0"
        yield f"{metric.name}_count {number_text(count)}"


def _histogram(metric: Metric, value: str, found: Observed) -> Iterator[str]:
    names = [*map(number_text, found.bounds), "+Inf"]
    for bound, count in zip(names, accumulate(found.counts), strict=True):
        yield f"{metric.name}_bucket{_labels(metric, value, bound)} {count}"
    yield f"{metric.name}_sum{_labels(metric, value)} {number_text(found.total)}"
    yield f"{metric.name}_count{_labels(metric, value)} {found.count}"


def _labels(metric: Metric, value: str, bound: str = "") -> str:
    pairs: Iterable[tuple[str, str]] = ((metric.label, value), ("le", bound))
    text = ",".join(f'{name}="{content}"' for name, content in pairs if name and content)
    return f"{{{text}}}" if text else ""


def number_text(number: float) -> str:
    """A number as Rust's Display writes it: no exponent, no fraction where there is none."""
    if number == int(number):
        return str(int(number))
    return f"{Decimal(repr(float(number))):f}"
