"""A client that passes parts of type ``image_url`` on, and knows no bytes and no paths."""

from dataclasses import replace
from typing import Any

from tgi_conformance.backends.reference.adapter import ReferenceAdapter
from tgi_conformance.contracts.adapter import Description


class ImagesByUrl(ReferenceAdapter):
    """The reference without the other half of images."""

    def describe(self) -> Description:
        """What the reference claims, but for bytes."""
        described = super().describe()
        return replace(described, capabilities=described.capabilities - {"img-bytes"})

    def chat(self, messages: Any, **given: Any) -> Any:
        """Refuse what is no text and no ``image_url``."""
        for message in messages:
            content = message.get("content")
            for part in content if isinstance(content, list) else ():
                if part["type"] == "image":
                    raise TypeError("no bytes")
        return super().chat(messages, **given)
