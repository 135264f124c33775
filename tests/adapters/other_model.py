"""A client that names a model of its own in each request, which no setting changes."""

from dataclasses import replace
from typing import Any

from tgi_conformance.backends.reference.adapter import ReferenceAdapter
from tgi_conformance.contracts.adapter import Description


class OtherModel(ReferenceAdapter):
    """The reference with a model that no server of the suites has."""

    def describe(self) -> Description:
        """What the reference claims, but for the setting."""
        described = super().describe()
        return replace(described, settings=described.settings - {"model"})

    def create_endpoint(self, **given: Any) -> str:
        """Make an endpoint of that model."""
        return super().create_endpoint(**given, model="a-model-of-its-own")
