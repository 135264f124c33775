import base64
import json
import string
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdict_builder import CANARY, verdict

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.redaction import redact, redact_bytes, redact_text, redact_verdict

SECRET = 'pa"ss\\wörd/+ 4711%'

canaries = st.text(string.ascii_letters + string.digits, min_size=34, max_size=34).map("hf_{}".format)
around = st.text(max_size=12)


def percent_all(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def escape_all(text: str) -> str:
    return "".join(f"\\u{ord(character):04X}" for character in text)


FORMS: dict[str, Callable[[str], str]] = {
    "literal": str,
    "percent-encoded": quote,
    "percent-encoded throughout": percent_all,
    "percent-encoded twice": lambda key: quote(percent_all(key), safe=""),
    "JSON string": json.dumps,
    "JSON in JSON": lambda key: json.dumps(json.dumps(key)),
    "JSON escapes throughout": escape_all,
    "partly escaped": lambda key: key[:5] + escape_all(key[5:9]) + percent_all(key[9:]),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of base64": lambda key: base64.b64encode(base64.b64encode(key.encode())).decode(),
}


@pytest.mark.parametrize("key", [CANARY, SECRET])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_key_becomes_its_alias(form: str, key: str) -> None:
    written = FORMS[form](key)
    redacted = redact_text(written, {"A": key})
    assert written not in redacted
    if "base64" in form:
        while redacted != "key:A":
            redacted = base64.b64decode(redacted, validate=True).decode()
    assert redacted.strip('"\\') == "key:A"


@pytest.mark.parametrize("offset", range(3))
def test_a_key_inside_base64_that_stands_in_a_text_is_found_at_every_offset(offset: int) -> None:
    token = base64.b64encode(b"u" * offset + CANARY.encode() + b":tail").decode()
    redacted = redact_text(f"Authorization: Basic {token}, more", {"A": CANARY})
    assert "key:A" in redacted
    assert redacted.startswith("Authorization: Basic ")
    assert redacted.endswith(", more")
    assert token[8:-12] not in redacted


@given(key=canaries, other=canaries, before=around, after=around, known=st.booleans())
def test_no_key_is_left_wherever_it_stands_in_a_value(
    key: str, other: str, before: str, after: str, *, known: bool
) -> None:
    text = before + key + after
    value: JSON = {
        "text": text,
        key: [text, {"deep": text}],
        "bytes": base64.b64encode(text.encode("utf-8", "surrogatepass")).decode(),
        "number": 3,
        "nothing": None,
    }
    redacted = redact(value, {"A": key, "B": other} if known else {"B": other})
    assert isinstance(redacted, dict)
    body = base64.b64decode(str(redacted["bytes"]))
    assert key not in json.dumps(redacted)
    assert key.encode() not in body
    assert (redacted["number"], redacted["nothing"]) == (3, None)
    if known and other != key:
        assert redacted["text"] == before.replace(key, "key:A") + "key:A" + after


@given(st.binary(max_size=60))
def test_bytes_without_a_key_come_back_unchanged(content: bytes) -> None:
    assert redact_bytes(content, {"A": CANARY}) == content
    text = base64.b64encode(content).decode()
    assert redact({"head": text}, {"A": CANARY}) == {"head": text}


def test_unknown_tokens_of_the_hub_become_a_question_mark_and_short_ones_stay() -> None:
    assert redact_text(f"a {CANARY} b", {}) == "a key:? b"
    assert redact_text("hf_model_id hf_short1234", {}) == "hf_model_id hf_short1234"


def test_the_longer_of_two_keys_is_meant_where_one_begins_with_the_other() -> None:
    assert redact_text("secret-key-10", {"A": "secret-key-1", "B": "secret-key-10"}) == "key:B"


def test_an_empty_key_redacts_nothing() -> None:
    assert redact_text("text", {"A": ""}) == "text"


def test_members_whose_names_become_equal_all_stay() -> None:
    redacted = redact({f"x{CANARY}": 1, "xkey:A": 2}, {"A": CANARY})
    assert redacted == {"xkey:A": 1, "xkey:A#2": 2}


def test_a_verdict_keeps_its_identity_and_loses_its_keys() -> None:
    leaky = verdict("SEC-01/a", reason=f"saw {CANARY}", record={"k": CANARY})
    clean = redact_verdict(leaky, {"A": CANARY})
    assert (clean.reason, clean.record, clean.case) == ("saw key:A", {"k": "key:A"}, "SEC-01/a")
