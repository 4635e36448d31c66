"""Writes splice/*.json: cross-entropy with each part of a dictionary's error put back, by torch, transformers, SAELens and numpy, sharing no code with Umbra.

usage: splice.py  (in this folder, with torch, transformers, sae-lens and numpy)

Rows of made-up tokens begin with BOS (0). A linear map with intercept from the activation to the error is fitted by `numpy.linalg.lstsq` in float64 on the positions
from max(1, `skip`) on of all rows to fit on; figures are of the other rows. Reconstructions replace the activation at these positions alone, and these alone are charged.
"""

import json
from pathlib import Path

import numpy as np
import torch
from sae_lens import SAE
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
CONTEXT = 32
LAYER = 1


def rows(count, seed):
    """Made-up text: a Markov chain of few words, so that activations vary by word and by context."""
    rng = np.random.default_rng(seed)
    words = np.random.default_rng(7).choice(np.arange(3, 500), 40, replace=False)
    follow = np.random.default_rng(8).dirichlet(np.full(40, 0.2), 40)
    out = []
    for _ in range(count):
        row, at = [0], rng.integers(40)
        while len(row) < CONTEXT:
            row.append(int(words[at]))
            at = rng.choice(40, p=follow[at])
        out.append(row)
    return torch.tensor(out)


def main(family, skip):
    torch.set_grad_enabled(False)
    model = AutoModelForCausalLM.from_pretrained(HERE / f"tiny-{family}", dtype=torch.float32).double().eval()
    sae = SAE.load_from_disk(str(HERE / "sae-lens-topk"), device="cpu")
    block = (model.transformer.h if hasattr(model, "transformer") else model.model.layers)[LAYER]
    fit, held_out = rows(60, 1), rows(12, 2)
    value, seen, first = [None], [], max(1, skip)

    def hook(_, __, out):
        whole = out[0] if isinstance(out, tuple) else out
        seen.append(whole)
        if value[0] is None:
            return out
        new = torch.cat([whole[:, : first], value[0]], 1)
        return (new, *out[1:]) if isinstance(out, tuple) else new

    block.register_forward_hook(hook)

    def run(tokens, put=None):
        """Activations at the positions that count, and the mean cross-entropy of their predictions."""
        value[0] = put
        seen.clear()
        logits = model(tokens).logits[:, first : -1]
        targets = tokens[:, first + 1 :]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
        return seen[0][:, first :].clone(), loss

    def reconstruction(x):
        return sae.decode(sae.encode(x.float())).double()

    def joined(x):
        flat = x.flatten(0, 1).numpy()
        return np.concatenate([flat, np.ones((len(flat), 1))], 1)

    x, _ = run(fit)
    weights = np.linalg.lstsq(joined(x), (x - reconstruction(x)).flatten(0, 1).numpy(), rcond=None)[0]
    x, clean = run(held_out)
    recon = reconstruction(x)
    error = x - recon
    linear = torch.tensor(joined(x) @ weights).reshape(x.shape)
    rest = error - linear
    ce = {name: run(held_out, put)[1] for name, put in {"sae": recon, "linear": recon + linear, "nonlinear": recon + rest, "zero": torch.zeros_like(x)}.items()}
    flat = x.flatten(0, 1)
    variance = ((flat - flat.mean(0)) ** 2).sum().item()
    spread = ((error - error.flatten(0, 1).mean(0)) ** 2).sum().item()
    fvu = lambda left: (left**2).sum().item() / variance
    length = lambda part: part.norm(dim=-1).mean().item()
    figures = {
        "ce_clean": clean,
        **{f"ce_{name}": loss for name, loss in ce.items()},
        "tokens": held_out[:, first + 1 :].numel(),
        "fvu": {"sae": fvu(error), "linear": fvu(rest), "nonlinear": fvu(linear)},
        "recovered": {part: (ce["sae"] - ce[part]) / (ce["sae"] - clean) for part in ["linear", "nonlinear"]},
        "norm_share": {"linear": length(linear) / length(error), "nonlinear": length(rest) / length(error)},
        "r2": 1 - (rest**2).sum().item() / spread,
    }
    print(family, skip, json.dumps(figures))
    return {"model": f"tiny-{family}", "skip": skip, "fit": fit.tolist(), "held_out": held_out.tolist(), "figures": figures}


if __name__ == "__main__":
    for family, skip in [("gpt2", 0), ("llama", 0), ("gpt2", 8)]:
        name = f"{family}.json" if skip == 0 else f"{family}-skip-{skip}.json"
        (HERE / "splice" / name).write_text(json.dumps(main(family, skip), separators=(",", ":")) + "\n")
