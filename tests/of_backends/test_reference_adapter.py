"""The adapters of the reference client: what they declare, and how they name its errors."""

import pytest

from tgi_conformance.backends.reference import errors, retry_policy
from tgi_conformance.backends.reference.adapter import AsyncReferenceAdapter, ReferenceAdapter, classify
from tgi_conformance.backends.reference.failures import status_error
from tgi_conformance.contracts.adapter import METHODS, Breaker
from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.error_kinds import KINDS_FOR_STATUS, ErrorKind


@pytest.mark.parametrize("status", sorted(KINDS_FOR_STATUS))
def test_each_status_has_a_kind_that_is_right_for_it(status):
    info = classify(status_error(status, b""))
    assert info.kind in KINDS_FOR_STATUS[status]
    assert info.status == status


def test_every_error_of_the_client_has_a_kind():
    def leaves(kind):
        return [leaf for sub in kind.__subclasses__() for leaf in leaves(sub)] or [kind]

    for kind in leaves(errors.TGIError):
        extra = {errors.TransportError: ["refused"], errors.RequestTimeoutError: ["read"]}.get(kind, [])
        assert classify(kind("x", *extra)).kind is not ErrorKind.UNMAPPED
    assert classify(KeyError("x")) is None


@pytest.mark.parametrize("adapter", [ReferenceAdapter, AsyncReferenceAdapter])
def test_an_adapter_claims_all_that_there_is_and_declares_the_real_policy(adapter):
    described = adapter().describe()
    missing = set(CAPABILITIES) - described.capabilities
    assert missing == ({"async"} if adapter is ReferenceAdapter else set())
    assert described.retry.statuses == retry_policy.RETRYABLE_STATUSES
    assert described.retry.faults > retry_policy.RETRYABLE_FAULTS
    assert described.breaker == Breaker(failures=0, delay=30.0)
    not_needed = {"submit"} if adapter is AsyncReferenceAdapter else set()
    assert {name for name in METHODS if not hasattr(adapter, name)} == not_needed
