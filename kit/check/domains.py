"""TGI's parameter domains as data: values of each parameter, right ones and wrong ones.

Which is which is not said here: the rules of ``contracts.tgi`` decide it for each request.
"""

from collections.abc import Mapping
from typing import Final

from tgi_conformance.contracts.json_types import JSON

#: Tokens that each request asks for: few, and more than one.
LENGTH: Final = 4
_SCHEMA: Final[JSON] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}

Values = Mapping[str, tuple[JSON, ...]]

#: Of ``parameters`` on the native routes.
NATIVE: Final[Values] = {
    "temperature": (0.5, 1, 2.0, 0.0, -1.0, "hot"),
    "top_p": (0.5, 0.999, 0.0, 1.0, 1.5, -0.1, "x"),
    "top_k": (1, 10, 0, -1, 1.5),
    "typical_p": (0.5, 0.0, 1.0, 2.0),
    "repetition_penalty": (1.1, 0.5, 0.0, -1.0),
    "frequency_penalty": (0.5, -2.0, 2.0, -2.5, 3.0),
    "max_new_tokens": (1, 3, 0, -1, 1.5, "many"),
    "stop": ([], ["zzz"], ["a", "b", "c", "d"], ["a", "b", "c", "d", "e"], "zzz", [1]),
    "seed": (0, 42, -1, 1.5, 2**64),
    "truncate": (5, 0, -1),
    "top_n_tokens": (1, 5, 6, 0),
    "best_of": (0, 1, 2, 3),
    "do_sample": (True, False, "yes"),
    "details": (True, False, 1),
    "decoder_input_details": (True, False),
    "return_full_text": (True, False, None),
    "watermark": (True, False),
    "adapter_id": (None,),
    "grammar": (
        {"type": "regex", "value": "[0-9]{2}"},
        {"type": "json", "value": _SCHEMA},
        {"type": "json", "value": {"type": 7}},
        {"type": "xml", "value": "x"},
        {"type": "json"},
    ),
    "not_a_parameter": (1,),
}

#: Beside ``messages`` on the chat route.
CHAT: Final[Values] = {
    "temperature": (0.5, 2.0, 0.0, -1.0, "hot"),
    "top_p": (0.5, 0.0, 1.0, 1.5),
    "max_tokens": (1, 3, 0, -1, "many"),
    "frequency_penalty": (0.5, -2.5, 3.0),
    "presence_penalty": (0.5,),
    "seed": (42, -1),
    "stop": (["zzz"], ["a", "b", "c", "d", "e"], "zzz", None),
    "logprobs": (True, False, "yes"),
    "top_logprobs": (1, 6),
    "n": (1, 2),
    "logit_bias": ([0.5], {"1": 1}),
    "stream_options": ({"include_usage": True}, {}, "usage"),
    "response_format": (
        {"type": "json", "value": _SCHEMA},
        {"type": "json_object", "value": _SCHEMA},
        {"type": "nonsense", "value": _SCHEMA},
    ),
    "messages": (
        [],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        [{"role": "user"}],
        [{"content": "Hello"}],
        "Hello",
    ),
    "tool_choice": ("auto", "none", {"type": "function", "function": {"name": "absent"}}),
    "user": ("somebody", 7),
}

#: Beside ``prompt`` on the completions route.
COMPLETIONS: Final[Values] = {
    "temperature": (0.5, -1.0, "hot"),
    "top_p": (0.5, 1.5),
    "max_tokens": (1, 3, 0, -1),
    "frequency_penalty": (0.5, 3.0),
    "seed": (42, -1),
    "stop": (["zzz"], ["a", "b", "c", "d", "e"]),
    "suffix": ("end", None),
    "prompt": (["Hello", "World"], [], ["a", "b", "c", "d", "e"], "", 7),
    "stream_options": ({"include_usage": True},),
}

#: Bodies that are no request, or none of the route's, with their names.
BODIES: Final[Mapping[str, bytes]] = {
    "no body": b"",
    "no JSON": b"{",
    "a JSON list": b"[]",
    "JSON null": b"null",
    "an empty object": b"{}",
    "white space around": b' {"inputs": 1} \n',
    "a field given twice": b'{"inputs":"a","inputs":"b","prompt":"","prompt":"","messages":1,"messages":1}',
    "no UTF-8": b'{"inputs":"\xff","prompt":"\xff","messages":[{"role":"user","content":"\xff"}]}',
}
#: Content types in place of application/json.
CONTENT_TYPES: Final = ("text/plain", "application/json; charset=utf-8", "application/problem+json", None)
