"""What makes TGI's own answers quick must not show: the quick way and the plain way agree."""

from hypothesis import given
from hypothesis import strategies as st

from tgi_conformance.contracts.tgi_tokens import count_tokens, tokenize

#: What words, signs and special tokens are made of, with the letters that IGNORECASE takes for ASCII ones.
BITS = st.sampled_from(
    ["a", "the", "machine", "LEARNING", "ſay", "İs", "ıs", "K", "é", "漢字", "_", "1", "xyz", "list", "😀"]
    + [" ", "  ", "\n", "\u2028", "\x1c", ".", "<", "</", "|", ">", "|>", "<s>", "<|end|>"]
)
TEXTS = st.lists(BITS, max_size=12).map("".join)


@given(TEXTS | st.text(max_size=40))
def test_a_text_has_as_many_tokens_as_it_is_cut_into(text: str) -> None:
    assert count_tokens(text, special=False) == len(tokenize(text, special=False))
