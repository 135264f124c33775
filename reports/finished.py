"""A finished run as the writers of its files are given it: redacted, judged and rolled up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tgi_conformance.reports.gate import Gate
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.results_map import ResultsMap
from tgi_conformance.reports.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """What every format is made from."""

    run: Run
    #: What is known when the format is written; a format that could not be written before it has a say in it.
    gate: Gate
    #: One a backend, also of a narrowed run, which writes none.
    maps: tuple[ResultsMap, ...]
    #: Where the files are to be written.
    layout: Layout
    #: Formats that the user asked for, by name, each with where it is to go: ``{"allure": "out/allure"}``.
    asked: Mapping[str, str] = field(default_factory=dict)
    #: The environment, for formats that a CI asks for by a variable.
    environment: Mapping[str, str] = field(default_factory=dict)
