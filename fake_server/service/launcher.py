"""The options that TGI's launcher has, as settings of the first space; names are the launcher's.

What only matters to a real model (shards, kernels, caches) is taken and has no effect, so that a command
line for TGI starts the fake server as it is.
"""

import argparse
import re
from dataclasses import replace
from typing import Final, get_args

from tgi_conformance.contracts.script import Generation, Persona, Reply, Script, Server

_NUMBERS: Final = (
    "max_input_tokens",
    "max_total_tokens",
    "max_concurrent_requests",
    "max_best_of",
    "max_stop_sequences",
    "max_top_n_tokens",
    "max_client_batch_size",
    "payload_limit",
)

#: Launcher options with a value that a fake has no use for.
_WITHOUT_EFFECT: Final = (
    "revision", "validation-workers", "sharded", "num-shard", "quantize", "speculate", "dtype",
    "kv-cache-dtype",
    "waiting-served-ratio", "max-batch-prefill-tokens", "max-batch-total-tokens", "max-waiting-tokens",
    "max-batch-size", "cuda-graphs", "prometheus-port", "shard-uds-path", "master-addr", "master-port",
    "huggingface-hub-cache", "weights-cache-override", "cuda-memory-fraction", "rope-scaling", "rope-factor",
    "otlp-endpoint", "otlp-service-name", "watermark-gamma", "watermark-delta", "ngrok-authtoken",
    "ngrok-edge",
    "tokenizer-config-path", "tokenizer-name", "lora-adapters", "usage-stats", "graceful-termination-timeout",
)  # fmt: skip
_SWITCHES_WITHOUT_EFFECT: Final = (
    "trust-remote-code", "disable-custom-kernels", "json-output", "ngrok", "env", "enable-prefill-logprobs",
    "disable-usage-stats", "disable-crash-reports",
)  # fmt: skip

#: Model names of families that take images; what TGI reads from the model's configuration.
_VISION: Final = re.compile(r"idefics|llava|paligemma|-vl\b|vision|mllama|gemma-3|smolvlm", re.IGNORECASE)
#: Model names that say that there is no chat template.
_NO_TEMPLATE: Final = re.compile(r"no-?(?:chat-?)?template", re.IGNORECASE)


def add_launcher_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser."""
    known = parser.add_argument_group("as TGI's launcher has them")
    known.add_argument(
        "--model-id", help="name that /info and answers carry; it also tells whether images are taken"
    )
    known.add_argument("--api-key", help="answer 401 unless a request carries this key")
    known.add_argument(
        "--cors-allow-origin",
        action="append",
        help="origin that browsers may call from (default: any); repeatable",
    )
    known.add_argument("--disable-grammar-support", action="store_true", help="refuse grammars and tools")
    for name in _NUMBERS:
        aliases = ("--max-input-length",) if name == "max_input_tokens" else ()
        known.add_argument(f"--{name.replace('_', '-')}", *aliases, type=int, dest=name)
    for name in _WITHOUT_EFFECT:
        known.add_argument(f"--{name}", help=argparse.SUPPRESS)
    for name in _SWITCHES_WITHOUT_EFFECT:
        known.add_argument(f"--{name}", action="store_true", help=argparse.SUPPRESS)
    own = parser.add_argument_group("what TGI finds out from the model and its surroundings")
    own.add_argument("--vision", action="store_true", default=None, help="the model takes images")
    own.add_argument(
        "--chat-template", choices=("standard", "none"), help="whether the model has a chat template"
    )
    own.add_argument(
        "--server", "--persona", dest="persona", choices=get_args(Persona), help="server to imitate"
    )
    own.add_argument(
        "--keep-alive-ms", type=float, help="silence that an empty comment breaks (default: 15000)"
    )
    own.add_argument(
        "--answers",
        choices=("toy", "echo"),
        default="toy",
        help="the answer where the script has none: the built-in toy model's, or the prompt",
    )


def launched(script: Script, given: argparse.Namespace, *, scripted: bool) -> Script:
    """A script under the given options; without a script of its own, the toy model answers."""
    changes = {name: getattr(given, name) for name in _NUMBERS if getattr(given, name) is not None}
    if given.model_id is not None:
        changes["model_id"] = given.model_id
        changes["vision"] = _VISION.search(given.model_id) is not None
        changes["chat_template"] = _NO_TEMPLATE.search(given.model_id) is None
    if given.vision is not None:
        changes["vision"] = given.vision
    if given.chat_template is not None:
        changes["chat_template"] = given.chat_template == "standard"
    if given.keep_alive_ms is not None:
        changes["keep_alive_ms"] = given.keep_alive_ms
    if given.cors_allow_origin:
        changes["cors_allow_origin"] = tuple(given.cors_allow_origin)
    if given.disable_grammar_support:
        changes["disable_grammar_support"] = True
    if given.api_key is not None:
        changes["check_key"] = True
    server: Server = replace(script.server, **changes)
    script = replace(script, server=server)
    if given.persona is not None:
        script = replace(script, persona=given.persona)
    if not scripted and given.answers == "toy":
        script = replace(script, otherwise=Reply(tgi=Generation(toy=True)))
    return script
