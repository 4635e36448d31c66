"""Writes `torch-folders`: a small GPT-2 of random weights as folders were before safetensors and tokenizer.json, with what transformers makes of them.

Run with transformers 5.24.0 and torch 2.15.0:
    python torch_folders.py
`single` has vocab.json, merges.txt, added_tokens.json and one pytorch_model.bin with tied weights and mask buffers; `sharded` the same model in two files and
an index, the second file in the form that torch.save had before 1.6 and in bfloat16. `ids.json` holds texts with their ids, `logits.safetensors` tokens [b, t]
and logits [b, t, v], `sharded-logits.safetensors` those of the sharded model.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

HERE = Path(__file__).parent / "torch-folders"
TEXT = ["The old king said that the old queen was there, and there she stood.", "It's 1234 o'clock, isn't it? Émile wrote: “naïve”.", "and the queen and the king"] * 20
TEXTS = [
    "The old king said: “Go home.”\nAnd so it was.",
    " leading and  double space \n\n\t end ",
    "it's isn't 12345 o'clock",
    "one<|endoftext|>two<|im_start|>three <|im_start|> four",
    "<|endoftext|>",
    "naïve Émile 日本 🦊",
    "",
]


def tokenizer(folder: Path) -> GPT2Tokenizer:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False))
    bpe.model.save(str(folder))
    put(folder / "added_tokens.json", {"<|im_start|>": 300})
    put(folder / "special_tokens_map.json", {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "additional_special_tokens": ["<|im_start|>"]})
    put(folder / "tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 16})
    return GPT2Tokenizer.from_pretrained(str(folder))


def put(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


@torch.no_grad()
def logits(model: GPT2LMHeadModel, path: Path) -> None:
    tokens = torch.randint(0, 301, (2, 10))
    save_file({"tokens": tokens, "logits": model(tokens).logits.contiguous()}, path)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    single, sharded = HERE / "single", HERE / "sharded"
    for folder in (single, sharded):
        folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer(single)
    put(HERE / "ids.json", [{"text": text, "ids": words.encode(text, add_special_tokens=False)} for text in TEXTS])
    config = GPT2Config(vocab_size=301, n_positions=16, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0, attn_implementation="eager")
    model = GPT2LMHeadModel(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.tie_weights()
    for folder in (single, sharded):
        put(folder / "config.json", {"model_type": "gpt2", "vocab_size": 301, "n_positions": 16, "n_embd": 8, "n_layer": 2, "n_head": 2, "bos_token_id": 0, "eos_token_id": 0})
    logits(model, HERE / "logits.safetensors")
    state = model.state_dict()
    for layer in range(2):
        state[f"transformer.h.{layer}.attn.bias"] = torch.tril(torch.ones(16, 16, dtype=torch.bool)).view(1, 1, 16, 16)
        state[f"transformer.h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    torch.save(state, single / "pytorch_model.bin")
    files = {True: "pytorch_model-00001-of-00002.bin", False: "pytorch_model-00002-of-00002.bin"}
    place = {name: files[".h.1." not in name] for name in state if name != "lm_head.weight"}
    first = {name: value for name, value in state.items() if place.get(name) == files[True]}
    second = {name: value.bfloat16() if value.is_floating_point() else value for name, value in state.items() if place.get(name) == files[False]}
    torch.save(first, sharded / files[True])
    torch.save(second, sharded / files[False], _use_new_zipfile_serialization=False)
    put(sharded / "pytorch_model.bin.index.json", {"metadata": {"total_size": 0}, "weight_map": place})
    rounded = GPT2LMHeadModel(config).eval()
    weights = {name: value.float() for name, value in {**first, **second}.items() if not name.endswith((".attn.bias", ".attn.masked_bias"))}
    missing, unexpected = rounded.load_state_dict(weights, strict=False)
    assert missing == ["lm_head.weight"] and not unexpected, (missing, unexpected)
    rounded.tie_weights()
    logits(rounded, HERE / "sharded-logits.safetensors")


if __name__ == "__main__":
    main()
