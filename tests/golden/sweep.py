"""Writes sweep.json: what torch and transformers make of `umbra sweep` for tiny-gpt2, tiny-llama and the demo: KL(steered || untouched) and the probability of a
token at the last position, with strength times the decoder row of a file (as stored) added at every position but the first, means over prompts, in float64.

Run with torch 2.15.0, transformers 5.24.0, tokenizers and safetensors: python sweep.py
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
ROOT = Path(__file__).parent
DEMO = ROOT.parent.parent / "assets/demo"
PROMPTS = [
    "The old king looked at the fox and said",
    "Once upon a time there was",
    "She opened the door, and the cat ran out of the",
]
# Model, dictionary, layer, place, BOS, features, strengths, token.
CASES = [
    ("tiny-gpt2", "sae-lens-topk", 1, "resid", None, [3, 77], [-8.0, -0.5, 0.0, 0.25, 8.0], " the"),
    ("tiny-llama", "sae-lens-topk", 1, "resid", None, [3, 77], [-8.0, -0.5, 0.0, 0.25, 8.0], " the"),
    ("demo", "resid-2", 2, "resid", 0, [12, 1631], [-8.0, 0.0, 2.5, 8.0], " the"),
    ("demo", "attn-1", 1, "z", 0, [5], [-4.0, 0.0, 4.0], None),
]


def moved(strength: float, row: torch.Tensor):
    def add(value: torch.Tensor) -> torch.Tensor:
        value = value.clone()
        value[:, 1:] += strength * row
        return value

    return add


def hooked(model, layer: int, place: str, change):
    blocks = model.transformer.h if hasattr(model, "transformer") else model.model.layers
    if place == "z":
        # The input of the output projection: the heads' values side by side.
        return blocks[layer].attn.c_proj.register_forward_pre_hook(lambda _, args: (change(args[0]),))

    def after(_, __, out):
        return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)

    return blocks[layer].register_forward_hook(after)


def main() -> None:
    cases = []
    for name, sae, layer, place, bos, features, strengths, token in CASES:
        folder = DEMO / "model" if name == "demo" else ROOT / name
        weights = DEMO / "saes" / sae if name == "demo" else ROOT / sae
        rows = load_file(weights / "sae_weights.safetensors")["W_dec"].double()
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
        prompts = [([] if bos is None else [bos]) + encode(text) for text in PROMPTS]
        target = encode(token) if token is not None else []
        if len(target) != 1:
            target, token = [], None
        for feature in features:
            points = []
            for strength in strengths:
                kl, probability = [], []
                for ids in prompts:
                    ids = torch.tensor([ids])
                    with torch.no_grad():
                        before = model(ids).logits[0, -1].log_softmax(-1)
                        handle = hooked(model, layer, place, moved(strength, rows[feature]))
                        after = model(ids).logits[0, -1].log_softmax(-1)
                        handle.remove()
                    kl.append((after.exp() * (after - before)).sum().item())
                    probability.append(after[target].exp().sum().item())
                points.append({"strength": strength, "kl": sum(kl) / len(kl), "probability": sum(probability) / len(probability) if target else None})
            cases.append({"model": name, "sae": sae, "feature": feature, "token": token, "tokens": [len(ids) for ids in prompts], "points": points})
            print(name, sae, feature, token, points)
    (ROOT / "sweep.json").write_text(json.dumps({"prompts": PROMPTS, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
