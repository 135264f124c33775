"""The reference client with time limits that are integers: a fraction of a second is refused."""

from dataclasses import replace
from typing import Any

from tgi_conformance.backends.reference.adapter import ReferenceAdapter
from tgi_conformance.contracts.adapter import Description


class WholeSeconds(ReferenceAdapter):
    """``timeout`` is a whole number."""

    def describe(self) -> Description:
        """Say so."""
        return replace(super().describe(), whole_seconds=True)

    def create_endpoint(self, **given: Any) -> str:
        """Refuse a fraction."""
        if given.get("timeout", 0) % 1:
            raise ValueError(f"timeout={given['timeout']} is no whole number")
        return super().create_endpoint(**given)
