"""Hypothesis generators of what callers ask for: generation parameters and messages.

All shrink towards the call that asks for nothing but a text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.suites.areas.parameters import narrowed
from tgi_conformance.suites.generated.texts import texts
from tgi_conformance.suites.shapes.calls import Shape

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


def parameters(
    shape: Shape, offered: frozenset[str], *, most: int = 2**64 - 1
) -> SearchStrategy[dict[str, JSON]]:
    """Valid parameters of one call, each left out or given, of those that the backend offers (g_params).

    ``most`` is the largest integer that its callers can pass.
    """
    domain = {
        name: PARAMETERS[shape.method][name] for name in sorted(offered & set(PARAMETERS[shape.method]))
    }
    return st.fixed_dictionaries({}, optional=domain).map(lambda given: narrowed(given, most))


def all_parameters(
    shape: Shape, offered: frozenset[str], *, most: int = 2**64 - 1
) -> SearchStrategy[dict[str, JSON]]:
    """Valid parameters of one call, every one given that the backend offers; ``most`` as above."""
    domain = {
        name: PARAMETERS[shape.method][name] for name in sorted(offered & set(PARAMETERS[shape.method]))
    }
    return st.fixed_dictionaries(domain).map(lambda given: narrowed(given, most))


#: The values of parameters that ``if value:`` takes for unset, by method; each is one that TGI takes.
FALSY: Final[Mapping[str, Mapping[str, JSON]]] = {
    "generate": {
        "frequency_penalty": 0.0,
        "seed": 0,
        "watermark": False,
        "do_sample": False,
        "return_full_text": False,
        "details": False,
        "decoder_input_details": False,
        "top_n_tokens": 0,
    },
    "chat": {
        "temperature": 0.0,
        "seed": 0,
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
        "logprobs": False,
    },
    "completions": {"temperature": 0.0, "seed": 0, "frequency_penalty": 0.0},
}


def with_falsy(
    shape: Shape, offered: frozenset[str], *, most: int = 2**64 - 1
) -> SearchStrategy[dict[str, JSON]]:
    """Valid parameters with a falsy value among them; ``offered`` has one that can be falsy at least."""
    values = {name: value for name, value in FALSY[shape.method].items() if name in offered}
    one = st.sampled_from(sorted(values)).map(lambda name: {name: values[name]})
    return st.builds(lambda falsy, others: {**others, **falsy}, one, parameters(shape, offered, most=most))


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


# --- what TGI refuses -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Parameters of a call with one violation among them, and what TGI answers."""

    parameters: Mapping[str, JSON]
    #: The parameter that is wrong.
    culprit: str
    status: int
    #: Words of TGI's body: JSON of a value refused, plain text of a type refused.
    message: str


def _positive(name: str) -> tuple[tuple[str, JSON, str], ...]:
    return tuple((name, value, f"`{name}` must be strictly positive") for value in (0.0, -0.5))


def _open_unit(name: str) -> tuple[tuple[str, JSON, str], ...]:
    return tuple((name, value, f"`{name}` must be > 0.0 and < 1.0") for value in (0.0, 1.0, 1.2, -0.1))


#: Parameter, value, and TGI's words. Values first (validation), then types (decoding).
_SHARED: Final = (
    *_open_unit("top_p"),
    *(
        ("frequency_penalty", value, "`frequency_penalty` must be >= -2.0 and <= 2.0")
        for value in (-2.5, 3.0)
    ),
    ("stop", ["a", "b", "c", "d", "e"], "`stop` supports up to 4 stop sequences. Given: 5"),
    ("seed", -1, "invalid value: integer `-1`, expected u64"),
    ("seed", 1.5, "invalid type: floating point `1.5`, expected u64"),
    ("temperature", "warm", 'invalid type: string "warm", expected f32'),
    ("stop", [1], "invalid type: integer `1`, expected a string"),
)
_VIOLATIONS: Final[Mapping[str, tuple[tuple[str, JSON, str], ...]]] = {
    "generate": (
        *_SHARED,
        *_positive("temperature"),
        *_positive("repetition_penalty"),
        *_open_unit("typical_p"),
        ("top_k", 0, "`top_k` must be strictly positive"),
        ("max_new_tokens", 0, "`max_new_tokens` must be strictly positive"),
        ("top_n_tokens", 6, "`top_n_tokens` must be >= 0 and <= 5. Given: 6"),
        ("truncate", 0, "`truncate` must be strictly positive and less than 1000000. Given: 0"),
        ("best_of", 3, "`best_of` must be > 0 and <= 2. Given: 3"),
        ("max_new_tokens", -1, "invalid value: integer `-1`, expected u32"),
        ("watermark", "yes", 'invalid type: string "yes", expected a boolean'),
    ),
    "chat": (
        *_SHARED,
        ("temperature", -0.5, "`temperature` must be strictly positive"),
        ("presence_penalty", -2.0, "`repetition_penalty` must be strictly positive"),
        ("max_tokens", 0, "`max_new_tokens` must be strictly positive"),
        ("max_tokens", 2**32, "invalid value: integer `4294967296`, expected u32"),
        ("logprobs", "yes", 'invalid type: string "yes", expected a boolean'),
    ),
    "completions": (
        *_SHARED,
        *_positive("repetition_penalty"),
        ("temperature", -0.5, "`temperature` must be strictly positive"),
        ("max_tokens", 0, "`max_new_tokens` must be strictly positive"),
        ("max_tokens", 1.5, "invalid type: floating point `1.5`, expected u32"),
    ),
}


def bad_parameters(shape: Shape, offered: frozenset[str]) -> SearchStrategy[Refused]:
    """Parameters of which TGI refuses exactly one, of those that the backend offers (g_bad_params)."""
    rows = [row for row in _VIOLATIONS[shape.method] if row[0] in offered]

    def around(row: tuple[str, JSON, str]) -> SearchStrategy[Refused]:
        name, value, message = row
        others = parameters(shape, offered - {name, "best_of", *(["seed"] if name == "best_of" else [])})
        return others.map(
            lambda given: Refused(
                parameters={**given, name: value}, culprit=name, status=422, message=message
            )
        )

    return st.sampled_from(rows).flatmap(around)


def violated(shape: Shape) -> frozenset[str]:
    """Names of the parameters that :func:`bad_parameters` may spoil."""
    return frozenset(name for name, _, _ in _VIOLATIONS[shape.method])
