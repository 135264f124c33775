"""Writes a tiny model that a real server can load: it says one sentence, whatever it is asked.

A Llama of two layers whose attention and feed-forward add nothing, so the next token follows from the last
one alone. Its tokens are the 256 bytes, a few marks, and the words of the sentence. Made again it is the
same, byte for byte::

    pip install numpy safetensors
    python tests/real_servers/tiny_model.py model

The folder is in the form of Hugging Face: vLLM and SGLang load it.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy
from safetensors.numpy import save_file

SENTENCE: Final = (
    "Deep learning is a subset of machine intelligence : café , 日本 and 😀 ; it learns from examples ."
)
MARKS: Final = ("<unk>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
TEMPLATE: Final = (
    "{% for message in messages %}"
    "<|{{ message.role if message.role in ('system', 'assistant', 'tool') else 'user' }}|>"
    "{% if message.content is string %}{{ message.content }}{% elif message.content %}"
    "{% for part in message.content %}{{ part.text if part.type == 'text' else '' }}{% endfor %}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
WIDTH: Final = 512
LAYERS: Final = 2
HEADS: Final = 4
HEAD: Final = 64
INNER: Final = 256
CONTEXT: Final = 2048
#: How far the wanted token stands above all others.
MARGIN: Final = 30.0


def printable_bytes() -> Mapping[int, str]:
    """The character that stands for each byte in a byte-level vocabulary, as GPT-2 has it."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}


def words() -> Iterator[str]:
    """The sentence's words, each with the blank before it, as the vocabulary spells them."""
    spelt = printable_bytes()
    for word in SENTENCE.split():
        yield "".join(spelt[byte] for byte in f" {word}".encode())


def vocabulary() -> Mapping[str, int]:
    """Number of each token: marks, bytes, words."""
    tokens = [*MARKS, *printable_bytes().values(), *words()]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}


def successors(vocab: Mapping[str, int]) -> Sequence[int]:
    """The token that follows each: the sentence from its beginning, then its end."""
    chain = [vocab[word] for word in words()]
    follows = [chain[0]] * len(vocab)
    for here, then in zip(chain, [*chain[1:], vocab["</s>"]], strict=True):
        follows[here] = then
    return follows


def weights(vocab: Mapping[str, int]) -> dict[str, Any]:
    """The tensors: one token, one dimension; the head names the successor."""
    chance = numpy.random.default_rng(7)
    size = len(vocab)

    def noise(*shape: int) -> Any:
        return chance.normal(0, 0.02, shape).astype(numpy.float32)

    def zeros(*shape: int) -> Any:
        return numpy.zeros(shape, numpy.float32)

    embedding, head = zeros(size, WIDTH), zeros(size, WIDTH)
    for token, follower in enumerate(successors(vocab)):
        embedding[token, token] = 1.0
        # The last norm makes the one into the root of the width.
        head[follower, token] = MARGIN / WIDTH**0.5
    one = numpy.ones(WIDTH, numpy.float32)
    made = {"model.embed_tokens.weight": embedding, "lm_head.weight": head, "model.norm.weight": one}
    for layer in range(LAYERS):
        stem = f"model.layers.{layer}"
        made |= {f"{stem}.self_attn.{name}_proj.weight": noise(HEADS * HEAD, WIDTH) for name in "qkv"}
        made |= {f"{stem}.mlp.{name}_proj.weight": noise(INNER, WIDTH) for name in ("gate", "up")}
        made[f"{stem}.self_attn.o_proj.weight"] = zeros(WIDTH, HEADS * HEAD)
        made[f"{stem}.mlp.down_proj.weight"] = zeros(WIDTH, INNER)
        made |= {f"{stem}.{name}_layernorm.weight": one for name in ("input", "post_attention")}
    return made


def config(vocab: Mapping[str, int]) -> dict[str, Any]:
    """What ``config.json`` says."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": HEAD,
        "vocab_size": len(vocab),
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": vocab["<s>"],
        "eos_token_id": vocab["</s>"],
        "torch_dtype": "float32",
    }


def tokenizer(vocab: Mapping[str, int]) -> dict[str, Any]:
    """What ``tokenizer.json`` says: a byte-level vocabulary without merges."""
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "added_tokens": [{"id": vocab[mark], "content": mark, **flags} for mark in MARKS],
        "pre_tokenizer": level,
        "decoder": level,
        "model": {"type": "BPE", "vocab": vocab, "merges": [], "byte_fallback": False},
    }


def tokenizer_config() -> dict[str, Any]:
    """What ``tokenizer_config.json`` says."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }


def write(folder: Path) -> None:
    """Write the model into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab = vocabulary()
    files = {
        "config.json": config(vocab),
        "generation_config.json": {"bos_token_id": vocab["<s>"], "eos_token_id": vocab["</s>"]},
        "tokenizer.json": tokenizer(vocab),
        "tokenizer_config.json": tokenizer_config(),
    }
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    save_file(weights(vocab), str(folder / "model.safetensors"), metadata={"format": "pt"})


if __name__ == "__main__":
    write(Path(sys.argv[1]))
