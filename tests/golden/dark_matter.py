"""Writes dark-matter/*.json: linear probes of a dictionary's error from several predictors, and what predicts its norm, by torch, transformers, SAELens and numpy,
sharing no code with Umbra.

usage: dark_matter.py  (in this folder, with torch, transformers, sae-lens and numpy)

Rows are those of splice.py. Least squares with intercept is `numpy.linalg.lstsq` in float64 on positions 1 and later of the rows to fit on; a ridge L adds rows
sqrt(L · n) · sd(z_j) · e_j to the system (sd over the tokens fitted on, predictors centred). Held-out figures are of positions 1 and later of the other rows.
"""

import json

import numpy as np
import torch
from sae_lens import SAE
from safetensors.numpy import save_file
from splice import HERE, LAYER, rows
from transformers import AutoModelForCausalLM

RIDGE = 0.03


def solve(z, y, ridge=0.0):
    """Weights [p + 1, q], the bias last."""
    mean = z.mean(0)
    flat = np.concatenate([z - mean, np.ones((len(z), 1))], 1)
    if ridge:
        extra = np.diag(np.sqrt(ridge * len(z)) * z.std(0))
        flat = np.concatenate([flat, np.concatenate([extra, np.zeros((len(extra), 1))], 1)])
        y = np.concatenate([y, np.zeros((len(extra), y.shape[1]))])
    w = np.linalg.lstsq(flat, y, rcond=None)[0]
    w[-1] -= mean @ w[:-1]
    return w


def apply(w, z):
    return z @ w[:-1] + w[-1]


def r2(y, guess):
    return float(1 - ((y - guess) ** 2).sum() / ((y - y.mean(0)) ** 2).sum())


def probe(z, e, x, ridge=0.0):
    """Figures of the probes; each argument holds the values fitted on and the held-out ones."""
    norm = [(e**2).sum(1, keepdims=True) for e in e]
    w, v = solve(z[0], e[0], ridge), solve(z[0], norm[0], ridge)
    figures = {}
    for i, name in enumerate(["_fit", ""]):
        guess = apply(w, z[i])
        figures["r2_mean" + name] = float(np.mean(1 - ((e[i] - guess) ** 2).sum(0) / ((e[i] - e[i].mean(0)) ** 2).sum(0)))
        figures["r2_weighted" + name] = r2(e[i], guess)
        figures["r2_norm" + name] = r2(norm[i], apply(v, z[i]))
    variance = ((x[1] - x[1].mean(0)) ** 2).sum()
    figures["fvu_total"] = float((e[1] ** 2).sum() / variance)
    figures["fvu_nonlinear"] = float(((e[1] - apply(w, z[1])) ** 2).sum() / variance)
    return figures, [apply(w, z) for z in z]


def places(x, recon, linear, tokens, losses, l0):
    """What predicts norms: each argument holds the values of the text fitted on and the held-out ones."""
    parts = {
        "activation": x,
        "reconstruction": recon,
        "reconstruction-and-linear": [a + b for a, b in zip(recon, linear)],
        "error": [a - b for a, b in zip(x, recon)],
        "linear": linear,
        "nonlinear": [a - b - c for a, b, c in zip(x, recon, linear)],
    }
    norms = {}
    for name, part in parts.items():
        y = [(p**2).sum(1, keepdims=True) for p in part]
        norms[name] = r2(y[1], apply(solve(x[0], y[0]), x[1]))
    y = [np.sqrt(((a - b) ** 2).sum(1, keepdims=True)) for a, b in zip(x, recon)]
    line = lambda s, keep: r2(y[1][keep[1]], apply(solve(s[0][keep[0]][:, None], y[0][keep[0]]), s[1][keep[1]][:, None]))
    all_of = [np.ones(len(y), bool) for y in y]
    by_id = {t: y[0][tokens[0] == t].mean() for t in np.unique(tokens[0])}
    guess = np.array([by_id.get(t, y[0].mean()) for t in tokens[1]])[:, None]
    baselines = {
        "activation": r2(y[1], apply(solve(x[0], y[0]), x[1])),
        "token-id": r2(y[1], guess),
        "loss": line(losses, [~np.isnan(l) for l in losses]),
        "l0": line(l0, all_of),
        "activation-norm": line([np.linalg.norm(x, axis=1) for x in x], all_of),
    }
    # Shares by token and by position of the held-out text.
    spread = ((x[1] - x[1].mean(0)) ** 2).sum(1)
    error = y[1][:, 0] ** 2
    counts = {int(t): int((tokens[1] == t).sum()) for t in np.unique(tokens[1])}
    by_token = {t: float(error[tokens[1] == t].sum() / spread[tokens[1] == t].sum()) for t, n in counts.items() if n >= 5}
    context = len(tokens[1]) // 12
    at = np.tile(np.arange(1, context + 1), 12)
    by_position = {int(p): float(error[at == p].sum() / spread[at == p].sum()) for p in range(1, 16)}
    share = error / spread
    worst = int(share.argmax())
    return {
        "norms": norms,
        "baselines": baselines,
        "by_token": by_token,
        "by_position": by_position,
        "worst": {"row": worst // context, "position": worst % context + 1, "share": float(share[worst])},
    }


def main():
    torch.set_grad_enabled(False)
    model = AutoModelForCausalLM.from_pretrained(HERE / "tiny-gpt2", dtype=torch.float32).double().eval()
    sae = SAE.load_from_disk(str(HERE / "sae-lens-topk"), device="cpu")
    # Another dictionary: the first one's weights at the residual stream after the block before.
    texts = [rows(60, 1), rows(12, 2)]
    flat = lambda x: x[:, 1:].flatten(0, 1).numpy()
    x, earlier, losses, codes, other = [], [], [], [], []
    for tokens in texts:
        out = model(tokens, output_hidden_states=True)
        here, before = out.hidden_states[LAYER + 1], out.hidden_states[LAYER]
        x.append(flat(here))
        earlier.append(flat(before))
        loss = torch.nn.functional.cross_entropy(out.logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        loss = torch.cat([loss, torch.full((len(tokens), 1), float("nan"), dtype=loss.dtype)], 1)
        losses.append(flat(loss))
        codes.append(sae.encode(here.float()))
        other.append(flat(sae.decode(sae.encode(before.float())).double()))
    recon = [flat(sae.decode(c).double()) for c in codes]
    l0 = [flat((c > 0).sum(-1).double()) for c in codes]
    tokens = [t[:, 1:].flatten().numpy() for t in texts]
    e = [a - b for a, b in zip(x, recon)]
    predictors = {"activation": x, "reconstruction": recon, "hook": earlier, "other": other}
    probes = {name: probe(z, e, x)[0] for name, z in predictors.items()}
    probes["ridge"] = probe(x, e, x, RIDGE)[0]
    _, linear = probe(x, e, x)
    answer = {"ridge": RIDGE, "probes": probes, **places(x, recon, linear, tokens, losses, l0)}
    print(json.dumps(answer, indent=1))
    return {"fit": texts[0].tolist(), "held_out": texts[1].tolist(), **answer}


def older():
    """A probe as version 2 of its file stored it, of width 2."""
    facts = {"format": "umbra dark-matter probe 2", "umbra_version": "0.1.0", "sae": "older", "sae_fingerprint": "ab", "model": "tiny", "model_fingerprint": "cd"}
    facts |= {"r2_mean": "0.1", "r2_weighted": "0.25", "r2_norm": "0.5", "fvu_total": "0.2", "fvu_nonlinear": "0.15", "fit_tokens": "100", "held_out_tokens": "50"}
    facts |= {"positions": "text", "separate_documents": "false", "ridge": "0", "fit_left_out": "3", "held_out_left_out": "4"}
    tensors = {"norm_weights": np.zeros(3, np.float32), "weights": np.eye(3, 2, dtype=np.float32)}
    save_file(tensors, HERE / "dark-matter" / "older.probe.safetensors", {"umbra": json.dumps(facts)})


if __name__ == "__main__":
    older()
    (HERE / "dark-matter" / "gpt2.json").write_text(json.dumps(main(), separators=(",", ":")) + "\n")
