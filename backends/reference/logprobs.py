"""Log probabilities as TGI's routes send them, read into one form. Pure.

Whatever is not there, or is no number, is ``None``: a server may leave any of it out.
"""

from tgi_conformance.backends.reference.answers import Logprob, TokenLogprob
from tgi_conformance.backends.reference.json_values import (
    JSON,
    as_list,
    as_object,
    as_text,
)


def native_tokens(details: JSON) -> tuple[TokenLogprob, ...] | None:
    """Read ``details.tokens`` and the ``top_tokens`` beside it, a list for each token."""
    tokens = as_object(details).get("tokens")
    if not isinstance(tokens, list):
        return None
    alternatives = as_list(as_object(details).get("top_tokens"))
    padded = [*alternatives, *[None] * (len(tokens) - len(alternatives))]
    return tuple(_native(token, top) for token, top in zip(tokens, padded, strict=False))


def native_prompt(details: JSON) -> tuple[TokenLogprob, ...] | None:
    """Read ``details.prefill``."""
    tokens = as_object(details).get("prefill")
    return tuple(_native(token, None) for token in tokens) if isinstance(tokens, list) else None


def native_event(event: dict[str, JSON]) -> tuple[TokenLogprob, ...] | None:
    """Read the token of one event of a stream."""
    token = event.get("token")
    return (_native(token, event.get("top_tokens")),) if isinstance(token, dict) else None


def chat_tokens(choice: dict[str, JSON]) -> tuple[TokenLogprob, ...] | None:
    """Read ``logprobs.content`` of a choice, of an answer or of a chunk."""
    content = as_object(choice.get("logprobs")).get("content")
    if not isinstance(content, list):
        return None
    return tuple(
        TokenLogprob(
            as_text(as_object(item).get("token")),
            _number(as_object(item).get("logprob")),
            tuple(_likely(one, "token") for one in as_list(as_object(item).get("top_logprobs"))),
        )
        for item in content
    )


def _native(token: JSON, top: JSON) -> TokenLogprob:
    found = _likely(token, "text")
    return TokenLogprob(found.token, found.logprob, tuple(_likely(one, "text") for one in as_list(top)))


def _likely(item: JSON, name: str) -> Logprob:
    given = as_object(item)
    return Logprob(as_text(given.get(name)), _number(given.get("logprob")))


def _number(value: JSON) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
