"""When a generation ends: the limit, the end token, stop sequences, in the shard's order."""

from dataclasses import dataclass
from typing import Final, Literal

#: Longer generations are queued in slices of this many tokens, and end at the end of a slice.
SLICE: Final = 1024

FinishReason = Literal["length", "eos_token", "stop_sequence"]


@dataclass(frozen=True, slots=True)
class Stopped:
    """The tokens that were generated, without the end token, and why no more were."""

    pieces: tuple[str, ...]
    finish_reason: FinishReason


#: Stop sequences that are looked at: TGI's own limit is far below, but not every server validates it.
MOST_STOPS: Final = 256


def stopped(pieces: tuple[str, ...], max_new_tokens: int | None, stop: tuple[str, ...]) -> Stopped:
    """Cut what a model would say where TGI would stop it.

    A stop sequence counts where the text ends with it after a token, and stays in the text. Asked
    for more than a slice, TGI fills the last slice (wire fact 19).
    """
    limit = len(pieces) + 1 if max_new_tokens is None else max_new_tokens
    if limit > SLICE and max_new_tokens is not None:
        limit = -(-limit // SLICE) * SLICE
    limit = max(limit, 1)
    stop = stop[:MOST_STOPS]
    text = ""
    for index, piece in enumerate(pieces[: limit - 1] if stop else ()):
        text += piece
        if text.endswith(stop):
            return Stopped(pieces[: index + 1], "stop_sequence")
    return Stopped(pieces[:limit], "length" if limit <= len(pieces) else "eos_token")
