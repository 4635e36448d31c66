"""Exchanges of features between questions of the demo's model by plain hooks of PyTorch: `disentangle.json`.

Run with torch 2.15 and transformers 5.24 (float32, as the program computes).
"""

import json
import pathlib

import numpy
import torch
from safetensors.numpy import load_file
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

demo = pathlib.Path(__file__).parents[2] / "assets" / "demo"
model = GPT2LMHeadModel.from_pretrained(demo / "model", dtype=torch.float32, attn_implementation="eager").eval()
tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(demo / "model" / "tokenizer.json"))
weights = load_file(demo / "saes" / "resid-2" / "sae_weights.safetensors")
w_enc, b_enc, w_dec, b_dec = (torch.tensor(weights[name]).float() for name in ("W_enc", "b_enc", "W_dec", "b_dec"))


def encode(x):
    top = torch.relu((x - b_dec) @ w_enc + b_enc).topk(32)
    return torch.zeros(x.shape[0], w_enc.shape[1]).scatter(1, top.indices, top.values)


names = ["Tom", "Mary", "John", "Alice", "Peter", "Sarah", "Jack", "Lucy"]
questions = []
for i, name in enumerate(names):
    other = names[(i + 3) % len(names)]
    questions.append({"text": f"When {name} and {other} went to the garden, {other} gave a letter to", "entity": name, "attribute": "name", "answer": f" {name}"})
    questions.append({"text": [f"Then {name} smiled because", f"That day {name} was sad because"][i // 2 % 2], "entity": name, "attribute": "gender", "answer": [" he", " she"][i % 2]})
rows, positions = [], []
for question in questions:
    ids = tokenizer.encode(question["text"], add_special_tokens=False)
    entity = tokenizer.encode(" " + question["entity"], add_special_tokens=False)
    assert len(entity) == 1
    rows.append([0] + ids)
    positions.append(1 + ids.index(entity[0]))
block, kept = model.transformer.h[2], {}


def run(row, position, put=None):
    def hook(_, __, out):
        value = out[0] if isinstance(out, tuple) else out
        if put is None:
            kept["x"] = value[0, position].clone()
        else:
            value = value.clone()
            value[0, position] = put
            return (value, *out[1:]) if isinstance(out, tuple) else value

    handle = block.register_forward_hook(hook)
    with torch.no_grad():
        logits = model(torch.tensor([row])).logits[0, -1]
    handle.remove()
    return int(logits.argmax())


answers, x = [], []
for row, position in zip(rows, positions):
    answers.append(run(row, position))
    x.append(kept["x"])
x = torch.stack(x)
codes = encode(x)
rng = numpy.random.default_rng(0)
active = numpy.flatnonzero((codes > 0).any(0).numpy())
cases = []
for size in (4, 40):
    features = sorted(int(i) for i in rng.choice(active, size, replace=False))
    for keep in (False, True):
        pairs, patched, edited = [], [], []
        for _ in range(12):
            base, source = (int(i) for i in rng.choice(len(questions), 2, replace=False))
            code = codes[base].clone()
            code[features] = codes[source][features]
            value = code @ w_dec + b_dec
            if keep:
                value = value + x[base] - (codes[base] @ w_dec + b_dec)
            pairs.append([base, source])
            patched.append(run(rows[base], positions[base], value))
            edited.append([round(float(v), 5) for v in value[:6]])
        cases.append({"features": features, "keep": keep, "pairs": pairs, "answers": patched, "edited": edited})
whole = [[i, j] for i in range(0, 16, 2) for j in range(0, 16, 2) if i != j][:20]
whole_answers = [run(rows[i], positions[i], x[j]) for i, j in whole]
print(positions, tokenizer.decode(answers), [tokenizer.decode(c["answers"]) for c in cases], tokenizer.decode(whole_answers))
out = {"questions": questions, "positions": positions, "answers": answers, "cases": cases, "whole": whole, "whole_answers": whole_answers}
(pathlib.Path(__file__).parent / "disentangle.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
