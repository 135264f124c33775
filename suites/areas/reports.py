"""What a backend has to say beside its answers: warnings, log records and prints, from one moment on."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.suites.harness import oracles
from tgi_conformance.suites.harness.case import Case


@dataclass(frozen=True, slots=True)
class Reports:
    """What the backend's process says after ``since_now``; asked once: a census takes its records along."""

    case: Case
    _mark: int

    @classmethod
    def since_now(cls, case: Case) -> Self:
        """Begin to listen; what was said before is looked over for keys and put aside."""
        reports = cls(case, case.driver.mark_output())
        reports._records()
        return reports

    def seen(self, outcomes: Iterable[Outcome]) -> list[str]:
        """What was said since, in words: warnings, records from WARNING up, and lines printed."""
        said = [warning for outcome in outcomes for warning in outcome.warnings]
        said += [text for level, _, text in self._records() if level >= logging.WARNING]
        return said + self.case.driver.output_since(self._mark).splitlines()

    def _records(self) -> list[tuple[int, str, str]]:
        """The log records since the last census; the run-wide scan for keys would not see them any more."""
        census = self.case.driver.census(collect=False)
        records = [(log.level, log.logger, log.text) for log in census.logs or ()]
        self.case.record.findings += oracles.leaks_in_output("", records, self.case.record.keys)
        return records
