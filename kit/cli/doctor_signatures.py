"""How the kit calls an adapter's methods, for an adapter whose methods take something else. Pure."""

from collections.abc import Mapping
from typing import Final

from tgi_conformance.contracts.fault import places_said

_CALL: Final = "endpoint_id=None, stream=False, **parameters"
#: Method -> its signature in the contract.
SIGNATURES: Final[Mapping[str, str]] = {
    "create_endpoint": "create_endpoint(self, *, base_url, api_key, **settings)",
    "generate": f"generate(self, prompt, *, {_CALL})",
    "chat": f"chat(self, messages, *, {_CALL})",
    "completions": f"completions(self, prompt, *, {_CALL})",
}
#: What Python says of a call that does not fit.
_MISFITS: Final = ("unexpected keyword argument", "positional argument", "required keyword-only argument")
_IN_ADAPTER: Final = "this began in the adapter, not in the backend: look at that line first"
_BY_HAND: Final = "make this call by hand against `tgi-conformance serve`"


def help_for_call(method: str, observed: str) -> str:
    """Say what to do about a healthy call that failed as ``observed``."""
    if any(misfit in observed for misfit in _MISFITS):
        called = next((name for name in SIGNATURES if f"{name}() " in observed), method)
        return f"the kit calls {SIGNATURES[called]}; take what you need and let **… take the rest"
    if "value None" in observed or "no answer" in observed:
        return f"return the text, or a mapping with it: {method}() of docs/adapter-contract.md"
    return _IN_ADAPTER if places_said(observed) else _BY_HAND
