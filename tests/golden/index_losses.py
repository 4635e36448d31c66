"""Makes index-losses.json: effects of a few features of the demo's resid-2 on the loss of the next token, by torch.

    python3 index_losses.py

Needs torch, transformers 5.23.0 and sae-lens 6.54.12. Text: the first 8 rows of 256 tokens of the demo's Alice; positions 1..255 count. For each feature and row, at the
token with the largest activation: cross-entropy of the next token with `activation · w_dec` subtracted from the residual stream there, less that without; null
where the row ends.
"""

import json
import pathlib

import torch
from sae_lens import SAE
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
DEMO = HERE.parent.parent / "assets" / "demo"
CONTEXT, ROWS = 256, 8
FEATURES = [3, 100, 420, 1024, 1777]


def rows():
    tokenizer = Tokenizer.from_file(str(DEMO / "model" / "tokenizer.json"))
    text = (DEMO / "text" / "held-out" / "alice.txt").read_text(encoding="utf-8")
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    step = CONTEXT - 1
    return torch.tensor([[0, *ids[at : at + step]] for at in range(0, ROWS * step, step)])


def main():
    model = AutoModelForCausalLM.from_pretrained(DEMO / "model", dtype=torch.float32).eval()
    sae = SAE.load_from_disk(str(DEMO / "saes" / "resid-2"), device="cpu")
    state = {"less": None}

    def hook(module, inputs, output):
        value = output[0] if isinstance(output, tuple) else output
        if state["less"] is None:
            state["value"] = value.clone()
            return output
        position, part = state["less"]
        value = value.clone()
        value[0, position] -= part
        return (value, *output[1:]) if isinstance(output, tuple) else value

    model.transformer.h[2].register_forward_hook(hook)

    def loss(tokens, position):
        logits = model(tokens).logits[0, position].double()
        return (logits.logsumexp(-1) - logits[tokens[0, position + 1]]).item()

    found = []
    with torch.no_grad():
        for row, tokens in enumerate(rows()):
            tokens = tokens[None]
            state["less"] = None
            model(tokens)
            acts = sae.encode(state["value"])[0]
            for feature in FEATURES:
                own = acts[1:, feature]
                if own.max() <= 0:
                    continue
                position = int(own.argmax()) + 1
                act, effect = acts[position, feature], None
                if position + 1 < CONTEXT:
                    state["less"] = None
                    clean = loss(tokens, position)
                    state["less"] = (position, act * sae.W_dec[feature])
                    effect = loss(tokens, position) - clean
                found.append({"feature": feature, "row": row, "position": position, "activation": round(act.item(), 5), "effect": effect and round(effect, 6)})
    (HERE / "index-losses.json").write_text(json.dumps(found) + "\n")
    print(len(found), max(abs(one["effect"] or 0) for one in found))


if __name__ == "__main__":
    main()
