"""Hypothesis generators of what callers ask for: generation parameters and messages.

All shrink towards the call that asks for nothing but a text.
"""

from collections.abc import Mapping
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.suites._generated_texts import texts
from tgi_conformance.suites._shapes import Shape

#: Valid values of TGI's generation parameters by call method, from the router's rules (not its openapi.json,
#: which differs); falsy and edge values among them.
_SEEDS: Final = st.one_of(st.sampled_from([0, 1, 2**53 + 1, 2**64 - 1]), st.integers(0, 2**64 - 1))
_OPEN_UNIT: Final = st.sampled_from([0.01, 0.3, 0.5, 0.95, 0.999])
_PENALTY: Final = st.sampled_from([-2.0, -0.5, 0.0, 0.5, 2.0])
_STOPS: Final = st.lists(st.sampled_from(["\n", "###", "</s>", "中", "a b"]), max_size=4, unique=True)
_POSITIVE: Final = st.sampled_from([0.1, 0.7, 1.0, 1.2])
PARAMETERS: Final[Mapping[str, Mapping[str, SearchStrategy[JSON]]]] = {
    "generate": {
        "max_new_tokens": st.integers(1, 2048),
        "temperature": _POSITIVE,
        "top_p": _OPEN_UNIT,
        "top_k": st.sampled_from([1, 5, 50, 2**31 - 1]),
        "typical_p": _OPEN_UNIT,
        "repetition_penalty": _POSITIVE,
        "frequency_penalty": _PENALTY,
        "seed": _SEEDS,
        "stop": _STOPS,
        "truncate": st.integers(1, 1000),
        "watermark": st.booleans(),
        "do_sample": st.booleans(),
        "return_full_text": st.booleans(),
        "details": st.booleans(),
        "decoder_input_details": st.booleans(),
        "top_n_tokens": st.integers(0, 5),
    },
    "chat": {
        "max_tokens": st.integers(1, 2048),
        "temperature": st.sampled_from([0.0, 0.1, 0.7, 1.0, 2.0]),
        "top_p": _OPEN_UNIT,
        "seed": _SEEDS,
        "stop": _STOPS,
        "frequency_penalty": _PENALTY,
        "presence_penalty": st.sampled_from([-1.5, 0.0, 0.5, 2.0]),
        "logprobs": st.booleans(),
    },
    "completions": {
        "max_tokens": st.integers(1, 2048),
        "temperature": st.sampled_from([0.0, 0.1, 0.7, 1.0, 2.0]),
        "top_p": _OPEN_UNIT,
        "seed": _SEEDS,
        "stop": _STOPS,
        "frequency_penalty": _PENALTY,
        "repetition_penalty": _POSITIVE,
    },
}


def parameters(shape: Shape, offered: frozenset[str]) -> SearchStrategy[dict[str, JSON]]:
    """Valid parameters of one call, each left out or given, of those that the backend offers (g_params)."""
    domain = PARAMETERS[shape.method]
    return st.fixed_dictionaries({}, optional={name: domain[name] for name in sorted(offered & set(domain))})


def messages(*, most: int = 5) -> SearchStrategy[list[JSON]]:
    """Turns of a chat (g_messages): perhaps a system message, then user and assistant, the user last."""

    def chat(system: str | None, turns: list[tuple[str, str]], last: str) -> list[JSON]:
        said: list[JSON] = [] if system is None else [{"role": "system", "content": system}]
        for question, reply in turns:
            said.append({"role": "user", "content": question})
            said.append({"role": "assistant", "content": reply})
        return [*said, {"role": "user", "content": last}]

    content = texts(least=1)
    return st.builds(
        chat, st.none() | content, st.lists(st.tuples(content, content), max_size=most // 2), content
    )
