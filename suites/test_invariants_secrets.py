"""SEC: what holds in any script: the key goes to its server in its header, and nowhere else (P-22)."""

from collections.abc import Sequence

from hypothesis import strategies as st

from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import status
from tgi_conformance.contracts.verdict import Finding
from tgi_conformance.fake_server.client import Space
from tgi_conformance.suites.generated.scripts import PlannedCall, loads
from tgi_conformance.suites.generated.started import start_load
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect
from tgi_conformance.suites.harness.oracles import find_key, leaks_in_outcomes, leaks_in_output, stray_keys
from tgi_conformance.suites.harness.properties import check_property


def _expect_none(findings: Sequence[Finding]) -> None:
    breaches = [finding.message for finding in findings if finding.breach and not finding.advisory]
    expect(not breaches, expected="no key there", observed="; ".join(breaches))


def _outcomes(case: Case, calls: Sequence[PlannedCall]) -> tuple[Space, list[Outcome]]:
    space, _, running = start_load(case, calls, max_concurrent_requests=8, queue_size=8)
    return space, [run.wait() for _, run in running]


@clause("SEC-01", case="property-p22", ways=("chat", "chat stream"))
def test_no_outcome_of_any_script_shows_the_key(case: Case) -> None:
    """Property P-22 for what comes back: values, exceptions, and the chain of their causes."""

    def check(inner: Case, calls: tuple[PlannedCall, ...]) -> None:
        _, outcomes = _outcomes(inner, calls)
        _expect_none(leaks_in_outcomes(outcomes, inner.record.keys))

    check_property(case, loads(streaming=case.claims("stream")), check, shared=3)


@clause("SEC-02", case="property-p22", ways=("chat", "chat stream"))
def test_no_output_of_any_script_shows_the_key(case: Case) -> None:
    """Property P-22 for what the process says: standard output, standard error, log records."""

    def check(inner: Case, calls: tuple[PlannedCall, ...]) -> None:
        mark = inner.driver.mark_output()
        _outcomes(inner, calls)
        logs = inner.driver.census().logs or ()
        records = [(log.level, log.logger, log.text) for log in logs]
        _expect_none(leaks_in_output(inner.driver.output_since(mark), records, inner.record.keys))

    check_property(case, loads(streaming=case.claims("stream")), check, shared=3)


@clause("SEC-03", case="property-p22", ways=("chat", "chat stream"))
def test_no_request_of_any_script_has_the_key_outside_its_header(case: Case) -> None:
    """Property P-22 for the wire: once, as a bearer token, and nowhere else."""

    def check(inner: Case, calls: tuple[PlannedCall, ...]) -> None:
        space, _ = _outcomes(inner, calls)
        _expect_none(stray_keys(space.journal(), inner.record.keys))
        for exchange in space.journal().generations:
            values = exchange.header_values("authorization")
            expect(
                values == (f"Bearer {inner.key()}",),
                expected="one header Authorization: Bearer <key:A>",
                observed=f"{len(values)} Authorization headers, key:{exchange.key}",
            )

    check_property(case, loads(streaming=case.claims("stream")), check, shared=3)


@clause("SEC-04", case="property-p22", ways="chat")
def test_no_redirect_takes_the_key_to_another_origin(case: Case) -> None:
    """Property P-22 for origins: any redirect to another port, host and path, in one or two steps."""
    shape = case.shape()
    redirects = st.tuples(
        st.sampled_from([301, 302, 303, 307, 308]),
        st.sampled_from(["127.0.0.1", "localhost"]),
        st.sampled_from(["same", "/elsewhere", "/a/b?c=d"]),
        st.booleans(),
    )

    def check(inner: Case, drawn: tuple[int, str, str, bool]) -> None:
        code, host, path, by_way = drawn
        reply = shape.plain("from the other origin").times(0, None)
        target_path = shape.plain_paths[0] if path == "same" else path
        bare = target_path.partition("?")[0]
        other = inner.serve(reply.where(method="GET", path=bare), reply.where(method="POST", path=bare))
        target = other.base_url.replace("127.0.0.1", host) + target_path
        hop = status(code, ("location", target))
        space = inner.serve(
            status(code, ("location", "/hop")) if by_way else hop,
            hop.where(path="/hop", method="GET").times(0, None).named("hop-get"),
            hop.where(path="/hop", method="POST").times(0, None).named("hop-post"),
        )
        inner.call(endpoint=inner.endpoint(url=space.base_url), shape=shape, attempts=9)
        heads = [exchange.head.decode("latin-1") for exchange in other.journal()]
        leaked = [head for head in heads if find_key(head, inner.record.keys) or _authorized(head)]
        expect(
            not leaked,
            expected="no Authorization header and no key at the other origin",
            observed=f"{len(leaked)} of {len(heads)} requests have it",
            journal=other.journal(),
        )

    check_property(case, redirects, check, shared=3)


def _authorized(head: str) -> bool:
    names = {line.partition(":")[0].strip().lower() for line in head.splitlines()}
    return bool(names & {"authorization", "proxy-authorization", "x-api-key", "api-key"})
