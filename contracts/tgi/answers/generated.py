"""What a model makes for a prompt: its tokens, the text, how it ended, and what is counted.

Most answers tell the text and the counts only, so tokens are made from the pieces when they are asked for.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tgi_conformance.contracts.json_texts import HOLE, between_holes, quoted
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Generation
from tgi_conformance.contracts.tgi.answers.tool_output import call_text
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest
from tgi_conformance.contracts.tgi.stopping import Stopped, stopped
from tgi_conformance.contracts.tgi.tokens import EOS, EOS_ID, count_tokens, token_id

#: Characters of a text that become a token a word.
_EXACT_LENGTH: Final = 32_768
#: How many tokens the rest becomes at most.
_LONG_TOKENS: Final = 2048
#: Longer texts are not kept with their words, and longer pieces not with their token.
_KEPT_TEXT: Final = 8192
_KEPT_PIECE: Final = 64
_WORD: Final = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token."""

    id: int
    text: str
    logprob: float
    special: bool = False

    def json(self) -> dict[str, JSON]:
        """The native form."""
        return {"id": self.id, "text": self.text, "logprob": self.logprob, "special": self.special}


@dataclass(frozen=True, slots=True)
class Made:
    """What the model made for one prompt: pieces of text, and whether an end token follows them."""

    pieces: tuple[str, ...]
    ends: bool
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the tokens; there is at least one token."""
        return (*self.pieces, EOS) if self.ends else self.pieces or ("",)

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens, made anew each time."""
        return (*(token_at(index, text) for index, text in enumerate(self.texts[:-1])), self.last_token)

    @property
    def last_token(self) -> Token:
        """The last token: the end token, where there is one."""
        if self.ends:
            return Token(EOS_ID, EOS, logprob_at(len(self.pieces)), special=True)
        texts = self.texts
        return token_at(len(texts) - 1, texts[-1])

    @property
    def usage(self) -> JSON:
        """The OpenAI usage object."""
        return usage(self.prompt_tokens, self.completion_tokens)


def usage(prompt_tokens: int, completion_tokens: int) -> JSON:
    """The OpenAI usage object."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def made(generation: Generation, request: GenerationRequest, prompt: int = 0) -> Made:
    """What the model makes of the request's ``prompt``-th prompt."""
    pieces = _pieces(generation, request, prompt)
    ended = Stopped(pieces, generation.finish_reason)
    if generation.obeys_limits:
        ended = stopped(pieces, request.parameters.max_new_tokens, request.parameters.stop)
    counted = count_tokens(request.prompts[prompt], special=request.counts_start)
    truncate = request.parameters.truncate
    counted = min(counted, truncate) if truncate and truncate > 0 else counted
    ends = ended.finish_reason == "eos_token"
    told = generation.completion_tokens
    return Made(
        pieces=ended.pieces,
        ends=ends,
        text="".join(ended.pieces),
        finish_reason=ended.finish_reason,
        prompt_tokens=counted if generation.prompt_tokens is None else generation.prompt_tokens,
        completion_tokens=(len(ended.pieces) + ends or 1) if told is None else told,
    )


def made_for_all(generation: Generation, request: GenerationRequest) -> tuple[Made, ...]:
    """What the model makes of each prompt."""
    return tuple(made(generation, request, index) for index in range(len(request.prompts)))


def _pieces(generation: Generation, request: GenerationRequest, prompt: int) -> tuple[str, ...]:
    if generation.tool_calls and request.route == "chat":
        call = generation.tool_calls[0]
        return call_text(call.name, call.arguments)
    if generation.echo:
        said = request.said if request.route == "chat" else request.prompts[prompt]
        return split_tokens(f"echo: {said}")
    if generation.tokens is not None:
        return generation.tokens
    return split_tokens(generation.text or "")


def split_tokens(text: str) -> tuple[str, ...]:
    """A text as tokens: one a word, with the blanks before it; they join to the text.

    What a text has beyond 32 KiB becomes a few thousand long tokens: an echo of megabytes would stop the
    server for seconds, and fill its memory if it were kept.
    """
    if len(text) <= _KEPT_TEXT:
        return _split_words(text)
    rest = text[_EXACT_LENGTH:]
    size = -(-len(rest) // _LONG_TOKENS) or 1
    long = (rest[start : start + size] for start in range(0, len(rest), size))
    return (*_WORD.findall(text[:_EXACT_LENGTH]), *long)


@lru_cache(maxsize=256)
def _split_words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text))


# --- tokens -------------------------------------------------------------------------------------------

#: Logprobs only need to be numbers that differ; these come round.
_LOGPROBS: Final = tuple(round(-0.05 - 0.1 * step, 2) for step in range(7))


def logprob_at(index: int) -> float:
    """The logprob of the token at a place."""
    return _LOGPROBS[index % len(_LOGPROBS)]


def token_at(index: int, piece: str) -> Token:
    """The token of a piece at a place."""
    make = _kept_token if len(piece) <= _KEPT_PIECE else _token
    return make(piece, index % len(_LOGPROBS))


def token_text(index: int, piece: str) -> str:
    """The JSON text of the same token, if the piece is encodable."""
    make = _kept_token_text if len(piece) <= _KEPT_PIECE else _token_text
    return make(piece, index % len(_LOGPROBS))


def _token(piece: str, step: int) -> Token:
    return Token(token_id(piece), piece, _LOGPROBS[step])


def _token_text(piece: str, step: int) -> str:
    start, before_text, before_logprob, end = _TOKEN
    return f"{start}{token_id(piece)}{before_text}{quoted(piece)}{before_logprob}{_LOGPROBS[step]!r}{end}"


_TOKEN: Final = between_holes({**Token(0, HOLE, 0.0).json(), "id": HOLE, "logprob": HOLE}, 3) or ()
_kept_token: Final = lru_cache(maxsize=4096)(_token)
_kept_token_text: Final = lru_cache(maxsize=4096)(_token_text)
