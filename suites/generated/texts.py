"""Hypothesis generators of texts and of the tokens that make them up.

All shrink towards the plain case: one short token of letters.
"""

from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

#: Fragments that clients have mistaken for something else: line ends that are none in an event stream, byte
#: order marks, stream syntax, markup of image prompts, right-to-left, combining and astral characters.
TRICKY: Final = (
    "\x00",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\n",
    "\r\n",
    "\t",
    "e\u0301",
    "\u05d0\u05d1",
    "é",
    "中",
    "✅",
    "\U0001f600",
    "data:",
    "data: [DONE]",
    "[DONE]",
    ":",
    "![](",
    "</s>",
    '"',
    "\\u0041",
    "\\",
    " ",
    "  ",
)
_CHARACTERS: Final = st.characters(exclude_categories=["Cs"])
#: Few enough that the same token often comes twice in a row.
_AGAIN: Final = st.sampled_from([" no", " a"])
#: Halves of a pair, which no UTF-8 can carry.
_HALVES: Final = st.characters(categories=["Cs"])
#: Characters of one to four bytes in UTF-8.
MULTI_BYTE: Final = "naïve café ✅ 深層学習 😀"


def texts(*, least: int = 0, most: int = 24) -> SearchStrategy[str]:
    """Texts of any characters but surrogates, weighted to those that clients trip over (g_text)."""
    part = st.one_of(st.text("abc ", max_size=4), st.sampled_from(TRICKY), st.text(_CHARACTERS, max_size=4))
    return (
        st.lists(part, max_size=8)
        .map(lambda parts: "".join(parts)[:most])
        .filter(lambda text: len(text) >= least)
    )


def token_lists(*, most: int = 6, plain: bool = False) -> SearchStrategy[tuple[str, ...]]:
    """Tokens of an answer, empty and repeated ones among them (g_tokens); ``plain``: printable ASCII only."""
    token = (
        st.one_of(_AGAIN, st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=6))
        if plain
        else st.one_of(_AGAIN, st.text("abc ", max_size=4), st.sampled_from(TRICKY), texts(most=6))
    )
    return st.lists(token, min_size=1, max_size=most).map(tuple).filter(any)


def surrogate_texts(*, most: int = 24) -> SearchStrategy[str]:
    """Texts with at least one lone surrogate (g_text's other variant): no UTF-8 carries them."""
    around = texts(most=most // 2)
    return st.builds(lambda before, half, after: f"{before}{half}{after}", around, _HALVES, around)
