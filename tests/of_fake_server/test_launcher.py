"""The launcher's options, as a command line for TGI gives them."""

import argparse

import pytest

from tgi_conformance.contracts.script import Generation, Reply, Script
from tgi_conformance.fake_server.service.launcher import add_launcher_options, launched

COMMAND = (
    "--model-id teknium/OpenHermes-2.5-Mistral-7B --revision main --num-shard 2 --quantize awq "
    "--max-concurrent-requests 64 --max-best-of 3 --max-stop-sequences 5 --max-top-n-tokens 6 "
    "--max-input-tokens 100 --max-total-tokens 200 --max-batch-prefill-tokens 300 --max-waiting-tokens 20 "
    "--waiting-served-ratio 1.2 --dtype float16 --trust-remote-code --json-output --payload-limit 999 "
    "--max-client-batch-size 7 --cors-allow-origin http://a --cors-allow-origin http://b --lora-adapters x/y "
    "--disable-grammar-support --api-key secret --usage-stats off"
)


def started(command: str, script: Script | None = None) -> Script:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_launcher_options(parser)
    given = parser.parse_args(command.split())
    return launched(script or Script(), given, scripted=script is not None)


def test_a_command_line_for_tgi_starts_the_fake_as_it_is() -> None:
    server = started(COMMAND).server
    assert server.model_id == "teknium/OpenHermes-2.5-Mistral-7B"
    assert (server.max_concurrent_requests, server.max_best_of, server.max_stop_sequences) == (64, 3, 5)
    assert (server.max_top_n_tokens, server.max_client_batch_size, server.payload_limit) == (6, 7, 999)
    assert (server.max_input_tokens, server.max_total_tokens) == (100, 200)
    assert server.cors_allow_origin == ("http://a", "http://b")
    assert server.disable_grammar_support
    assert server.check_key


@pytest.mark.parametrize(
    ("name", "vision", "template"),
    [
        ("llava-hf/llava-v1.6-mistral-7b-hf", True, True),
        ("Qwen/Qwen2-VL-7B-Instruct", True, True),
        ("lab/model-vision", True, True),
        ("lab/model-notemplate", False, False),
        ("google/t5-efficient-tiny", False, True),
    ],
)
def test_a_models_name_tells_what_tgi_reads_from_its_configuration(
    name: str, *, vision: bool, template: bool
) -> None:
    server = started(f"--model-id {name}").server
    assert (server.vision, server.chat_template) == (vision, template)


def test_an_option_beats_the_models_name() -> None:
    server = started("--model-id lab/plain --vision --chat-template none").server
    assert (server.vision, server.chat_template) == (True, False)


def test_without_a_script_the_toy_model_answers_and_with_one_the_script_stands() -> None:
    assert started("").otherwise == Reply(tgi=Generation(toy=True))
    assert started("--answers echo").otherwise is None
    assert started("", Script()).otherwise is None


def test_a_persona_is_an_option() -> None:
    assert started("--persona tgi-1.4").persona == "tgi-1.4"
    assert started("--server tgi-1.4").persona == "tgi-1.4"
    assert started("").persona == "tgi-3.3"
