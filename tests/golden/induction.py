"""Attention of three tiny models on sequences with a repeated prefix, by transformers: `induction/*.json`, which a test of core/src/heads/induction reads.

Run in this folder: python induction.py. Each file holds sequences as the paper's script makes them (Kissane et al. 2024, long_prefix_induction.py) for the models'
context of 64, the place that attends and its source, and the attention of every layer and head.
"""

import json
import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
LENGTH = 64
BOS = 0


def sequence(generator, vocabulary, prefix):
    tokens = [BOS] + generator.sample(range(3, vocabulary), LENGTH - 1)
    first = generator.randint(1, LENGTH - 30)
    second = generator.randint(first + prefix + 1, LENGTH - (prefix + 1))
    tokens[second : second + prefix] = tokens[first : first + prefix]
    return {"tokens": tokens, "first": first, "second": second, "prefix": prefix}


def main():
    generator = random.Random(5)
    (HERE / "induction").mkdir(exist_ok=True)
    for name in ["tiny-gpt2", "tiny-gemma2", "tiny-qwen3"]:
        model = AutoModelForCausalLM.from_pretrained(HERE / name, attn_implementation="eager").eval()
        sequences = [sequence(generator, model.config.vocab_size, prefix) for prefix in (1, 2, 5, 9)]
        for one in sequences:
            with torch.no_grad():
                patterns = model(torch.tensor([one["tokens"]]), output_attentions=True).attentions
            query, source = one["second"] + one["prefix"] - 1, one["first"] + one["prefix"]
            one["attention"] = [[round(head[query, source].item(), 8) for head in layer[0]] for layer in patterns]
        text = ",\n".join(json.dumps(one) for one in sequences)
        (HERE / "induction" / f"{name}.json").write_text(f"[\n{text}\n]\n")


main()
