"""Answers under a regex grammar match it."""

import json
import re
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgi_conformance.contracts.schema.regex_examples import regex_example
from tgi_conformance.contracts.script import Generation
from tgi_conformance.contracts.tgi.answers.bodies import Stamp, plain_answer
from tgi_conformance.contracts.tgi.answers.toy import toy_generation
from tgi_conformance.contracts.tgi.requests.asked import request_of
from tgi_conformance.contracts.tgi.requests.decoding import decode

MATCHED = [
    "",
    "abc",
    r"[0-9]+",
    r"\d{3}-\d{4}",
    r"((25[0-5]|2[0-4]\d|[01]?\d\d?)\.){3}(25[0-5]|2[0-4]\d|[01]?\d\d?)",
    r"[\w-]+@([\w-]+\.)+[\w-]+",
    r"^(yes|no)$",
    r"(?:Monday|Tuesday)",
    r"(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])",
    r"(?<word>\w+)",
    r"[^a-z]+",
    r"[^\d\s]{2,5}",
    r"[^\w]",
    r"\{\"name\":\"[A-Za-z ]{1,20}\",\"age\":\d{1,3}\}",
    r"a*b+c?d{2}e{2,}f{2,4}g{,3}",
    r".*",
    r".+?x",
    r"[]a]+",
    r"[a-]+",
    r"[\]\\]",
    r"\x41\u00e9\n\t",
    r"\bword\b",
    r"\Aone\Z",
    r"(?i)hello",
    r"(?i:hello) world",
    r"a{b}",
    r"(|a)b",
    r"()*",
    r"\S+\s\W\D",
    r"[\u4e00-\u9fff]{2}",
    r"[+-]?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?",
    r"(((a)))",
    r"x{0}y",
]


@pytest.mark.parametrize("expression", MATCHED)
def test_an_example_is_matched_by_the_whole_expression(expression: str) -> None:
    text = regex_example(expression)
    assert text is not None
    python = expression.replace("(?<word>", "(?P<word>")
    assert re.fullmatch(python, text), text
    assert regex_example(expression) == text


UNKNOWN = (
    *(
        "(a)\\1",
        "(?=a)a",
        "(?<!a)b",
        "(?>a)",
        "a*+",
        "a**",
        "*a",
        "(",
        ")",
        "[",
        "[]",
        "a\\",
        "[z-a]",
        "\\p{L}",
    ),
    *(
        "[a&&b]",
        "[[:alpha:]]",
        "a{4,2}",
        "a$b",
        "b^",
        "a\\bb",
        "\\B",
        "a{5000}",
        "(a{1000}){1000}",
        "(){900000}",
    ),
    *(
        "x{,}y",
        "x{}",
        "x{9999999}",
        "x{1 , 2}",
        "(" * 60 + ")" * 60,
        "a" * 30_000,
        "\\ud800",
        "(?x) a",
        "\\q",
        "[^\\d\\D]",
    ),
)


@pytest.mark.parametrize("expression", UNKNOWN)
def test_what_has_no_example_is_told(expression: str) -> None:
    assert regex_example(expression) is None


BITS = st.sampled_from(
    (
        *(
            "a",
            "b",
            " ",
            "-",
            "\\d",
            "\\w",
            "\\s",
            "\\.",
            "\\b",
            "^",
            "$",
            ".",
            "[ab]",
            "[^a]",
            "[a-c\\d]",
            "(",
        ),
        *(
            ")",
            "|",
            "(?:",
            "*",
            "+",
            "?",
            "{2}",
            "{1,2}",
            "{,2}",
            "{",
            "}",
            "[",
            "]",
            "\\",
            "é",
            "(?i)",
            "\\B",
        ),
        *("\\A", "\\Z", "\\W"),
    )
)


@settings(deadline=None)
@given(
    st.lists(BITS, max_size=8).map("".join)
    | st.from_regex(r"[ab(|)*+?.\[\]{}0-2,^$\\-]{0,8}", fullmatch=True)
)
def test_an_example_is_never_wrong(expression: str) -> None:
    text = regex_example(expression)
    if text is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            compiled = re.compile(expression)
        except re.error:
            # Python is stricter than Rust in some places.
            return
    assert compiled.fullmatch(text), text


def told(route: str, body: dict[str, object]) -> str:
    request = request_of(route, decode(route, json.dumps(body).encode(), "application/json"))  # type: ignore[arg-type]
    generation = toy_generation(Generation(toy=True), request)
    return json.dumps(plain_answer(generation, request, Stamp(7, "m")))


def test_the_toy_answers_under_a_regex_grammar_with_a_text_that_fits() -> None:
    grammar = {"type": "regex", "value": r"\d{3}-[a-c]{2}"}
    assert '"generated_text": "777-aa"' in told(
        "generate", {"inputs": "x", "parameters": {"grammar": grammar}}
    )
    body = {"messages": [{"role": "user", "content": "x"}], "response_format": grammar}
    assert '"content": "777-aa"' in told("chat", body)


def test_where_no_text_is_known_the_toy_talks() -> None:
    grammar = {"type": "regex", "value": r"(?=a)a"}
    assert "Deep learning" in told("generate", {"inputs": "x", "parameters": {"grammar": grammar}})
