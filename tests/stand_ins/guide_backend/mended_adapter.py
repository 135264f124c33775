"""The adapter's side of the changes: what a mended client offers is used and declared."""

import os
import sys
from pathlib import Path
from typing import Any

from tgi_conformance.backends.reference import retry_policy
from tgi_conformance.backends.reference.adapter import classify as classify_typed

sys.path.insert(0, str(Path(__file__).parent))
from mistakes import wrong

from tgi_conformance.backends.published.hf_tgi_adapter import (
    Adapter,
    ChatAdapter,
)

_Base: Any = Adapter if wrong("chat") else ChatAdapter


class Mended(_Base):  # type: ignore[misc]
    """The adapter of the client as far as it is mended."""

    name = os.environ.get("HF_TGI_NAME", "hf_tgi")

    def describe(self) -> dict[str, Any]:
        """Declare what the mends change."""
        described: dict[str, Any] = super().describe()
        if not wrong("retries"):
            statuses = sorted(retry_policy.RETRYABLE_STATUSES)
            described["retry"] = described["retry"] | {
                "statuses": statuses,
                "jitter": list(retry_policy.JITTER),
            }
            described["retry"]["faults"] = ["refused", "reset", "closed", "overloaded_event"]
        return described | ({} if wrong("body") else {"returns": "completion"}) | {"breaker": None}

    def create_endpoint(
        self, *, base_url: str, api_key: str | None, model: Any = None, **settings: Any
    ) -> Any:
        """Give the client the base URL where it takes one."""
        if wrong("host"):
            return super().create_endpoint(base_url=base_url, api_key=api_key, model=model, **settings)
        self.take_client(api_key, settings)
        made = self.client.create_endpoint(api_key=api_key, base_url=base_url, **settings)
        self.client.endpoints[made]["model"] = model or self.client.default_model
        self.clients[made] = self.client
        return made

    def classify(self, error: BaseException) -> Any:
        """Read the type of the error where it has one."""
        return classify_typed(error) or super().classify(error)
