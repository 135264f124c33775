"""Hostile JSON for the routes that take a body: inputs without end, the same ones for the same seed."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

JSON_TYPE: Final = "application/json"

_TOOL: Final = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "d",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_GRAMMAR: Final = {"type": "json", "value": {"properties": {"a": {"type": "integer"}}}}
_NATIVE: Final = {
    "inputs": "What is Deep Learning?",
    "parameters": {
        "best_of": 1,
        "temperature": 0.5,
        "repetition_penalty": 1.03,
        "frequency_penalty": 0.1,
        "top_k": 10,
        "top_p": 0.95,
        "typical_p": 0.95,
        "do_sample": True,
        "max_new_tokens": 5,
        "return_full_text": False,
        "stop": ["photographer"],
        "truncate": 10,
        "watermark": False,
        "details": True,
        "decoder_input_details": False,
        "seed": 7,
        "top_n_tokens": 2,
        "grammar": _GRAMMAR,
        "adapter_id": None,
    },
}
_IMAGE: Final = "data:image/png;base64,iVBORw0KGgo="
_CHAT: Final = {
    "model": "tgi",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look:"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": _IMAGE}}]},
        {"role": "assistant", "tool_calls": [{"id": "0", **_TOOL}]},
        {"role": "tool", "name": "weather", "content": "rain"},
        {"role": "user", "content": "So?"},
    ],
    "frequency_penalty": 0.1,
    "logit_bias": [0.5],
    "logprobs": True,
    "top_logprobs": 2,
    "max_tokens": 6,
    "n": 1,
    "presence_penalty": 0.1,
    "stop": ["x"],
    "stream": False,
    "seed": 1,
    "temperature": 1.0,
    "top_p": 0.9,
    "tools": [_TOOL],
    "tool_prompt": "Use tools.",
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "stream_options": {"include_usage": True},
}
_TALK: Final = {"messages": [{"role": "user", "content": "Hi"}], "response_format": _GRAMMAR, "stream": True}
_COMPLETIONS: Final = {
    "model": "tgi",
    "prompt": ["a", "b"],
    "max_tokens": 4,
    "temperature": 0,
    "top_p": 0.5,
    "stream": True,
    "seed": 1,
    "suffix": None,
    "repetition_penalty": 1.1,
    "frequency_penalty": 0,
    "stop": ["\n"],
}
_BRIEF: Final = {"inputs": "x"}

#: Route -> bodies that it takes.
VALID: Final[Mapping[str, tuple[object, ...]]] = {
    "/": (_NATIVE, {**_NATIVE, "stream": True}, _BRIEF),
    "/generate": (_NATIVE, _BRIEF, ["x", [1, 0.5]]),
    "/generate_stream": (_NATIVE, _BRIEF),
    "/v1/chat/completions": (_CHAT, {**_CHAT, "stream": True, "tool_choice": "auto"}, _TALK),
    "/v1/completions": (_COMPLETIONS, {"prompt": "x"}),
    "/tokenize": (_NATIVE, _BRIEF),
    "/chat_tokenize": (_CHAT, _TALK),
    "/invocations": (_NATIVE, _CHAT, _COMPLETIONS),
    "/vertex": ({"instances": [_BRIEF, _NATIVE]}, {"instances": [_TALK]}, {"instances": []}),
}


@dataclass(frozen=True, slots=True)
class Attack:
    """One request: what was done to it, and what goes out."""

    kind: str
    path: str
    content_type: str | None
    body: bytes


class Raw(bytes):
    """Text that stands for a value as it is."""


VALUES: Final = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        0.0,
        -0.0,
        1.5,
        5e-324,
        1e308,
        2**31,
        2**32,
        2**63,
        2**64,
        -(2**63) - 1,
    ),
    *(
        "",
        " ",
        "x",
        "\x00",
        "\u0085\u2028",
        "\U0001f600",
        "😀" * 50,
        "tgi",
        "auto",
        "none",
        "required",
        "regex",
    ),
    *("(" * 50, "a{99999}{99999}", "![](", "![](data:image/png;base64,@@)", "![](http://x/a)", "é" * 3),
    *([], {}, [[]], [None], [{}], {"": ""}, {"type": []}, {"type": "json", "value": "{"}, ["a"] * 40),
    *({"type": "json", "value": {"properties": {"a": {"$ref": "#/properties/a"}}}},),
    *({"type": "json", "value": {"properties": [], "minimum": "x", "enum": [], "anyOf": [{}]}},),
    *({"type": "json_schema", "value": {"name": "n", "schema": {"properties": {"a": {"$ref": "#/x"}}}}},),
    *({"type": "json", "value": {"properties": {"a": {"minLength": 10**9}, "b": {"type": "array"}}}},),
    *({"type": "json", "value": {"properties": {"a": {"type": "array", "minItems": 10**12}}}},),
    *({"type": "json", "value": {"properties": {"a": {"type": ["integer", 3], "minimum": 1e400}}}},),
)
NUMBERS: Final = (
    *(
        b"-0",
        b"0.0",
        b"1.0",
        b"1E5",
        b"1e-999",
        b"1e999",
        b"-1e999",
        b"1e400",
        b"01",
        b"+1",
        b".5",
        b"5.",
        b"1e",
    ),
    *(b"-", b"--1", b"0x10", b"1_000", b"NaN", b"-NaN", b"Infinity", b"-Infinity", b"nan", b"inf", b"1,5"),
    *(b"9" * 17, b"9" * 30, b"9" * 310, b"9" * 5000, b"-" + b"9" * 5000, b"0." + b"0" * 4000 + b"1"),
    *(
        b"1" + b"0" * 400,
        b"1." + b"9" * 400 + b"e400",
        b"1e" + b"9" * 400,
        b"1e-" + b"9" * 400,
        b"9" * 90_000,
    ),
    *(b"18446744073709551615", b"18446744073709551616", b"-9223372036854775809", b"3.4028236e38", b"1e39"),
)
STRINGS: Final = (
    *(
        rb'"\ud800"',
        rb'"\udc00"',
        rb'"\ud800\ud800"',
        rb'"\ud83d\ude00"',
        rb'"\uDBFF"',
        rb'"\ud800x"',
        rb'"\u"',
    ),
    *(
        rb'"\u12"',
        rb'"\uZZZZ"',
        rb'"\x41"',
        rb'"\u0000"',
        b'"\x00"',
        b'"\n"',
        b'"\x7f"',
        rb'"\/"',
        rb'"a\"',
        b'"a',
    ),
    *(
        b'"\xff"',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        b'"\xf4\x90\x80\x80"',
        b'"\xe2\x82"',
        b"'x'",
        b'"\\ud800\\u0041"',
    ),
    *(b'"' + b"\\ud83d\\ude00" * 2000 + b'"', b'"' + b"\\" * 4001 + b'"', b'"' + b"![](" * 2000 + b'"'),
    *(b'"' + b"<s>\\u2581" * 500 + b'"', b'"![](data:' + b";" * 3000 + b')"'),
)
CONTENT_TYPES: Final = (
    *(
        None,
        "",
        " ",
        "text/plain",
        "application/json; charset=utf-16",
        "application/json;",
        "APPLICATION/JSON",
    ),
    *(
        "application/jsonx",
        "application/vnd.api+json",
        "application/+json",
        "a/json",
        "json",
        "application/json,",
    ),
    *(
        "application/json, text/plain",
        "application/ json",
        "multipart/form-data; boundary=x",
        "\xff",
        "x" * 4000,
    ),
    *(
        "application/xml+json+json",
        "application/json\t;x",
        "application/x-www-form-urlencoded",
        "application/a b+json",
    ),
)
_ENCODINGS: Final = ("utf-8-sig", "utf-16", "utf-16-le", "utf-32-be", "utf-7", "cp037")
_DEPTHS: Final = (1, 60, 125, 126, 127, 128, 129, 200, 1000, 5000, 100_000)

Change = Callable[[object, random.Random], object]


def attacks(seed: int, *, large_one_in: int = 400) -> Iterator[Attack]:
    """Attacks without end. ``large_one_in``: every how manyeth is megabytes; 0: none."""
    dice = random.Random(seed)  # noqa: S311
    number = 0
    while True:
        number += 1
        path = dice.choice(tuple(VALID))
        value = dice.choice(VALID[path])
        if large_one_in and number % large_one_in == 0:
            yield Attack("large", path, JSON_TYPE, _large(value, dice))
            continue
        kind = dice.choice(tuple(_KINDS))
        content_type, body = _KINDS[kind](value, dice)
        yield Attack(kind, path, content_type, body)


def written(value: object) -> bytes:
    """A value as JSON; ``Raw`` parts stand as they are."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, Mapping):
        members = (_key(key) + b":" + written(item) for key, item in value.items())
        return b"{" + b",".join(members) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(written, value)) + b"]"
    return json.dumps(value).encode()


def _key(key: object) -> bytes:
    return bytes(key) if isinstance(key, Raw) else json.dumps(key).encode()


def _places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Paths to all values inside, the outermost first."""
    found = [path]
    members = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in members:
        found += _places(item, (*path, key))
    return found


def _changed(value: object, path: tuple[object, ...], change: Callable[[object], object]) -> object:
    """The value with one place changed."""
    if not path:
        return change(value)
    step, *rest = path
    if isinstance(value, Mapping):
        return {
            key: _changed(item, tuple(rest), change) if key == step else item for key, item in value.items()
        }
    if isinstance(value, list):
        return [_changed(item, tuple(rest), change) if at == step else item for at, item in enumerate(value)]
    return value


def _at_random(value: object, dice: random.Random, change: Callable[[object], object]) -> object:
    return _changed(value, dice.choice(_places(value)), change)


# --- kinds --------------------------------------------------------------------------------------------


def _valid(value: object, dice: random.Random) -> tuple[str | None, bytes]:
    del dice
    return JSON_TYPE, written(value)


def _values(value: object, dice: random.Random) -> tuple[str | None, bytes]:
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        value = _at_random(value, dice, lambda _: dice.choice(VALUES))
    return JSON_TYPE, written(value)


def _numbers(value: object, dice: random.Random) -> tuple[str | None, bytes]:
    return JSON_TYPE, written(_at_random(value, dice, lambda _: Raw(dice.choice(NUMBERS))))


def _strings(value: object, dice: random.Random) -> tuple[str | None, bytes]:
    return JSON_TYPE, written(_at_random(value, dice, lambda _: Raw(dice.choice(STRINGS))))


def _members(value: object, dice: random.Random) -> tuple[str | None, bytes]:
    """Drop, rename, repeat and add members."""

    def change(found: object) -> object:
        if not isinstance(found, Mapping) or not found:
            return [found]
        members = dict(found)
        name = dice.choice(tuple(members))
        what = dice.randrange(4)
        if what == 0:
            del members[name]
        elif what == 1:
            members[dice.choice(("max_completion_tokens", "arguments", "type", "", "\x00", "é"))] = (
                members.pop(name)
            )
        elif what == 2:
            members[Raw(_key(name))] = dice.choice((members[name], *VALUES))
        else:
            members[Raw(dice.choice(STRINGS))] = 1
        return members

    return JSON_TYPE, written(_at_random(value, dice, change))


def _depth(value: object, dice: random.Random) -> tuple[str | None, bytes]:
    opened, closed = dice.choice(
        ((b"[", b"]"), (b'{"a":', b"}"), (b'[{"type":', b"}]"), (b'{"inputs":', b"}"))
    )
    count = dice.choice(_DEPTHS)
    inner = opened * count + b"1" + closed * (count if dice.random() < 0.8 else 0)
    return JSON_TYPE, written(_at_random(value, dice, lambda _: Raw(inner)))


def _text(value: object, dice: random.Random) -> tuple[str | None, bytes]:
    """Cut, doubled, and strewn with odd bytes."""
    data = bytearray(written(value))
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        until = min(at + dice.randint(0, 12), len(data))
        change = dice.randrange(4)
        if change == 0:
            del data[at:until]
        elif change == 1:
            data[at:at] = dice.randbytes(dice.randint(1, 5))
        elif change == 2:
            data[at:until] = dice.choice(
                (b'"', b",", b":", b"}", b"]", b"{", b"[", b"\\", b" ", b"\x00", b"//", b"-")
            )
        else:
            del data[at:]
    return JSON_TYPE, bytes(data)


def _encoded(value: object, dice: random.Random) -> tuple[str | None, bytes]:
    if dice.random() < 0.2:
        return JSON_TYPE, dice.randbytes(dice.choice((1, 3, 50, 3000)))
    return JSON_TYPE, written(value).decode("latin-1").encode(dice.choice(_ENCODINGS), "replace")


def _typed(value: object, dice: random.Random) -> tuple[str | None, bytes]:
    return dice.choice(CONTENT_TYPES), written(value) if dice.random() < 0.7 else b""


def _shaped(value: object, dice: random.Random) -> tuple[str | None, bytes]:
    """Another route's body, a list by position, a bare value, what follows the value."""
    what = dice.randrange(4)
    if what == 0:
        value = dice.choice(dice.choice(tuple(VALID.values())))
    elif what == 1:
        value = _at_random(
            value, dice, lambda found: [*found.values()] if isinstance(found, Mapping) else [found]
        )
    elif what == 2:
        value = dice.choice(VALUES)
    after = dice.choice((b"", b"", b"}", b" \xff\xfe", b"\x00", b"[" * 500, b'{"inputs":1}'))
    return JSON_TYPE, dice.choice((b"", b" \r\n\t", b"\n" * 70_000)) + written(value) + after


_KINDS: Final[Mapping[str, Callable[[object, random.Random], tuple[str | None, bytes]]]] = {
    "valid": _valid,
    "values": _values,
    "numbers": _numbers,
    "strings": _strings,
    "members": _members,
    "depth": _depth,
    "text": _text,
    "encodings": _encoded,
    "content types": _typed,
    "shapes": _shaped,
}


def _large(value: object, dice: random.Random) -> bytes:
    """Megabytes: a string, a list, an object, blanks, a number; sometimes cut off, or with a late mistake."""
    size = dice.choice((100_000, 1_999_000, 2_100_000, 10_000_000))
    unit, opened, closed = dice.choice(
        (
            (b"x", b'"', b'"'),
            (b"\xf0\x9f\x98\x80", b'"', b'"'),
            (b"\\u00e9", b'"', b'"'),
            (b"![](a)", b'"', b'"'),
            (b"x ", b'"', b'"'),
            (b"0,", b"[", b"0]"),
            (b'{"role":"user","content":""},', b"[", b"0]"),
            (b'"a":1,', b"{", b'"b":2}'),
            (b"9", b"", b""),
            (b" ", b"", b"1"),
            (b"\xff", b'"', b'"'),
        )
    )
    filling = opened + unit * (size // len(unit)) + closed * (dice.random() < 0.8)
    return written(_at_random(value, dice, lambda _: Raw(filling)))
