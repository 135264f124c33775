"""Replies in words: which one is meant is said, not its number."""

import pytest

from tgi_conformance.contracts.journal import reply_label
from tgi_conformance.contracts.script import (
    Fault,
    Reply,
    answer,
    data,
    overloaded,
    raw,
    silence,
    status,
    stream,
)
from tgi_conformance.contracts.script.delivery import Delivery
from tgi_conformance.contracts.script.telling import in_words, replies_in_words


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (overloaded(), "the 429 reply"),
        (status(503), "the 503 reply"),
        (answer("hello"), "the answer"),
        (stream(data({}), data({})), "the stream of 2 events"),
        (stream(data({})), "the stream of 1 event"),
        (stream(data({})).cut("rst", event=1), "the stream of 1 event, reset in the middle"),
        (status(200).cut("fin", at="head"), "the 200 reply, closed after the head"),
        (raw(b"x"), "the reply of raw bytes"),
        (silence(), "the silence"),
        (
            Reply(delivery=Delivery(fault=Fault(ending="rst", at="accept"))),
            "the connection reset when it was opened",
        ),
    ],
)
def test_a_reply_is_called_by_what_it_is(reply: Reply, words: str) -> None:
    assert in_words(reply) == words


def test_replies_that_are_alike_are_told_apart_by_name_or_number() -> None:
    told = replies_in_words((overloaded(), answer("a"), overloaded(), overloaded().named("last")))
    assert told == {
        "0": "the 429 reply (reply 1)",
        "1": "the answer",
        "2": "the 429 reply (reply 3)",
        "last": "the 429 reply (last)",
    }


def test_a_number_counts_from_one_where_people_read_it() -> None:
    assert [reply_label(reply) for reply in ("0", "limit:bucket", None)] == [
        "reply 1",
        "limit:bucket",
        "unscripted",
    ]
