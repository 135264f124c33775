"""The pure parts of the egress: the budget, the limit in a body, keys taken out, aliases, orders."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgi_conformance.fake_server.egress.budget import MAX_REQUESTS, MAX_TOKENS, TOKENS_A_REQUEST, Budget
from tgi_conformance.fake_server.egress.cleaning import Cleaner
from tgi_conformance.fake_server.egress.endpoints import Orders, RealEndpoint, number_of, orders_of
from tgi_conformance.fake_server.egress.limiting import limited

KEY = "hf_RealKeyThatNobodyMaySee00000000"
OTHER = "hf_RealKeyThatEndsOtherwise1111111"
KEYS = {"A": KEY, "B": OTHER}


def test_a_budget_refuses_what_goes_beyond_it_and_says_which_bound() -> None:
    budget = Budget(max_requests=2, max_tokens=30)
    assert budget.reserve(16, limited=True) == ""
    assert "30 tokens" in budget.reserve(16)
    budget.settle(16, used=4)
    assert budget.reserve(16) == ""
    assert "2 requests" in budget.reserve(0)
    spent = budget.spent
    assert (spent.requests, spent.tokens, spent.refused, spent.limited) == (2, 20, 2, 1)


def test_as_many_requests_as_are_allowed_fit_into_the_tokens() -> None:
    assert MAX_REQUESTS * TOKENS_A_REQUEST <= MAX_TOKENS


@pytest.mark.parametrize(
    ("path", "body", "after", "tokens"),
    [
        ("/generate", '{"inputs":"x"}', '{"parameters":{"max_new_tokens":16},"inputs":"x"}', 16),
        (
            "/generate_stream",
            '{ "inputs":"x", "parameters" : {} }',
            '{ "inputs":"x", "parameters" : {"max_new_tokens":16} }',
            16,
        ),
        (
            "/",
            '{"parameters":{"max_new_tokens":900,"seed":1}}',
            '{"parameters":{"max_new_tokens":16,"seed":1}}',
            16,
        ),
        (
            "/generate",
            '{"parameters":{"max_new_tokens":5,"best_of":3}}',
            '{"parameters":{"max_new_tokens":5,"best_of":3}}',
            15,
        ),
        (
            "/generate",
            '{"inputs":"a","parameters":null}',
            '{"inputs":"a","parameters":{"max_new_tokens":16}}',
            16,
        ),
        ("/v1/chat/completions", '{"messages":[]}', '{"max_tokens":16,"messages":[]}', 16),
        ("/v1/chat/completions", '{"max_tokens":null,"n":2}', '{"max_tokens":16,"n":2}', 32),
        (
            "/v1/completions",
            '{"prompt":"\\u00e9","max_tokens":200}',
            '{"prompt":"\\u00e9","max_tokens":16}',
            16,
        ),
        (
            "/v1/chat/completions",
            '{"max_completion_tokens":99,"max_tokens":77}',
            '{"max_completion_tokens":16,"max_tokens":16}',
            16,
        ),
        ("/tokenize", '{"inputs":"x"}', '{"inputs":"x"}', 0),
        ("/generate", "[1]", "[1]", 0),
        ("/generate", '{"inputs":', '{"inputs":', 0),
        ("/generate", '{"parameters":7}', '{"parameters":7}', 0),
        ("/v1/chat/completions", "{}", '{"max_tokens":16}', 16),
    ],
)
def test_the_limit_is_lowered_or_set_and_nothing_else_is_touched(
    path: str, body: str, after: str, tokens: int
) -> None:
    made = limited(body.encode(), path, 16)
    assert made.body.decode() == after
    assert made.tokens == tokens
    assert made.changed == (body != after)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(
    members=st.dictionaries(st.text(max_size=8).filter(lambda name: not name.startswith("max_")), VALUES),
    limit=st.none() | st.integers(0, 100),
    indent=st.none() | st.integers(0, 2),
    ascii_only=st.booleans(),
)
def test_every_other_member_of_a_body_stays_what_it_was(
    members: dict[str, Any],
    limit: int | None,
    indent: int | None,
    ascii_only: bool,  # noqa: FBT001
) -> None:
    members = {name: value for name, value in members.items() if name not in ("n", "best_of", "parameters")}
    asked = members | ({} if limit is None else {"max_tokens": limit})
    text = json.dumps(asked, indent=indent, ensure_ascii=ascii_only)
    made = limited(text.encode("utf-8", "surrogatepass"), "/v1/chat/completions", 16)
    if not ascii_only and any("\ud800" <= letter <= "\udfff" for letter in text):
        return
    after = json.loads(made.body)
    assert after.pop("max_tokens") == (16 if limit is None else min(limit, 16))
    assert after == members


@settings(max_examples=200, deadline=None)
@given(
    before=st.binary(max_size=60),
    key=st.sampled_from([KEY, OTHER]),
    after=st.binary(max_size=60),
    cuts=st.lists(st.integers(0, 160), max_size=5),
)
def test_a_key_is_taken_out_wherever_the_parts_are_cut(
    before: bytes, key: str, after: bytes, cuts: list[int]
) -> None:
    whole = before + key.encode() + after
    edges = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    cleaner = Cleaner(KEYS)
    out = b"".join(cleaner.feed(whole[start:end]) for start, end in itertools.pairwise(edges))
    out += cleaner.end()
    assert key.encode() not in out
    assert len(out) == len(whole)
    assert out.startswith(before)
    assert out.endswith(after)
    assert cleaner.found


def test_what_only_begins_as_a_key_does_comes_out_whole() -> None:
    cleaner = Cleaner(KEYS)
    assert cleaner.feed(b"hello hf_Real") == b"hello "
    assert cleaner.feed(b"ly?") == b"hf_Really?"
    assert cleaner.feed(b"hf_") + cleaner.end() == b"hf_"
    assert not cleaner.found
    assert cleaner.header(f"Bearer {KEY}") == f"Bearer {'key:A'.ljust(len(KEY), '*')}"


@pytest.mark.parametrize(
    ("alias", "count", "number"),
    [("A", 1, 0), ("B", 1, 0), ("H", 3, 1), ("none", 2, None), ("other", 2, None)],
)
def test_aliases_stand_for_the_keys_in_turn(alias: str, count: int, number: int | None) -> None:
    assert number_of(alias, count) == number


def test_orders_come_back_from_their_line_and_show_no_secret() -> None:
    orders = Orders(
        token="t" * 20,
        endpoints=(RealEndpoint(url="http://x", key=KEY), RealEndpoint(url="http://y")),
        headers=(("x-gateway", "gateway-secret"),),
        max_tokens=7,
    )
    assert orders_of(orders.to_line()) == orders
    assert orders.secrets == {"A": KEY, "header:x-gateway": "gateway-secret"}
    assert not any(secret in repr(orders) for secret in (KEY, "gateway-secret", orders.token))


@pytest.mark.parametrize("line", ["", "{", "[]", '{"token":"a"}', f'{{"token":"{KEY}","endpoints":3}}'])
def test_orders_that_cannot_be_read_are_refused_without_being_shown(line: str) -> None:
    with pytest.raises(ValueError, match="egress: a line of JSON") as raised:
        orders_of(line)
    assert KEY not in str(raised.value)
