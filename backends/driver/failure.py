"""Values that a backend declares to return in place of raising (``Description.failure``). Pure."""

from collections.abc import Mapping

from tgi_conformance.contracts.adapter import ErrorInfo, Failure
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.unset import UNSET


def failure_in(value: JSON, declared: Failure | None) -> ErrorInfo | None:
    """Read a value of a call as the failure that it stands for; None: it stands for none.

    There is no exception to classify, so the kind is ``unmapped``; message and status are what it holds.
    """
    if declared is None:
        return None
    if any(type(value) is type(known) and value == known for known in declared.values):
        return ErrorInfo(kind=ErrorKind.UNMAPPED)
    if declared.key is None or not isinstance(value, Mapping) or declared.key not in value:
        return None
    message = value[declared.key]
    status = value.get(declared.status_key) if declared.status_key is not None else None
    return ErrorInfo(
        kind=ErrorKind.UNMAPPED,
        message=message if isinstance(message, str) else UNSET,
        status=status if type(status) is int else UNSET,
    )
