"""Which cause each red case of a run has: what formats that list cases need of the causes. Pure."""

from collections.abc import Iterator, Mapping

from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.causes.cause import Cause
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.run import Run


class CausesByCase:
    """The causes of all backends of a run, by case; what was not run has none."""

    def __init__(self, run: Run) -> None:
        self._all = {backend.name: tuple(causes_of(run, backend.name)) for backend in run.backends}
        self._found: Mapping[tuple[str, str], Cause] = {
            (backend, verdict.case): cause
            for backend, causes in self._all.items()
            for cause in causes
            for verdict in (*cause.verdicts, *cause.blocked)
        }

    def of(self, verdict: Verdict) -> Cause | None:
        """The cause behind a verdict."""
        return self._found.get((verdict.backend, verdict.case))

    def of_backend(self, backend: str) -> tuple[Cause, ...]:
        """The causes of one backend, worst first."""
        return self._all.get(backend, ())

    def __iter__(self) -> Iterator[tuple[str, Cause]]:
        """Backend and cause, backend by backend, worst first."""
        return iter([(backend, cause) for backend, causes in self._all.items() for cause in causes])
