"""The error kinds against design and TGI's statuses."""

import pytest

from tgi_conformance.contracts.error_kinds import (
    JUDGED_STATUSES,
    KINDS_FOR_STATUS,
    MEANINGS,
    STATUS_RULES,
    ErrorKind,
    kinds_for_status,
)


def test_every_kind_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ErrorKind)
    assert len(ErrorKind) == 18


def test_every_status_rule_gives_kinds_and_a_reason() -> None:
    assert all(rule.kinds and rule.reason for rule in STATUS_RULES.values())
    assert all(400 <= status <= 599 for status in STATUS_RULES)


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        (401, {"auth"}),
        (403, {"auth"}),
        (404, {"not_found"}),
        (422, {"validation", "bad_request"}),
        (429, {"rate_limited", "overloaded"}),
        (418, {"bad_request"}),
        (599, {"server_error"}),
    ],
)
def test_kinds_for_a_status(status: int, kinds: set[str]) -> None:
    assert kinds_for_status(status) == kinds


def test_a_status_that_blames_the_request_is_never_a_server_failure() -> None:
    """ERR-06: auth, not-found, bad-request, rate-limit and server failures stay apart."""
    blames_server = {ErrorKind.SERVER_ERROR, ErrorKind.REMOTE_ERROR, ErrorKind.OVERLOADED}
    for status in (400, 401, 402, 403, 404, 405, 410, 413, 415, 422, 431, 451):
        assert not KINDS_FOR_STATUS[status] & blames_server, status


def test_statuses_that_a_client_need_not_know_are_not_judged_by_their_kind() -> None:
    assert set(STATUS_RULES) - set(JUDGED_STATUSES) == {402, 410, 431, 451}


@pytest.mark.parametrize("status", [100, 200, 302, 399, 600])
def test_a_status_that_is_no_error_has_no_kinds(status: int) -> None:
    with pytest.raises(ValueError, match=str(status)):
        kinds_for_status(status)
