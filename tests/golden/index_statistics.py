"""Makes index-statistics/resid-2.json: what an index says of a few features, by torch over dense activations.

    python3 index_statistics.py [UMBRA]

Needs torch, transformers 5.23.0, sae-lens 6.54.12 and scipy. Text: the first 40 rows of 256 tokens of the demo's Alice; positions 1..255 count. The dictionary is the demo's resid-2.
With UMBRA, a program, also builds the index over the whole of Alice and compares every feature of `umbra index show --json`.
"""

import collections
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import scipy.stats
import torch
from sae_lens import SAE
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
DEMO = HERE.parent.parent / "assets" / "demo"
ALICE = DEMO / "text" / "held-out" / "alice.txt"
CONTEXT, ROWS, LISTED, LEAST = 256, 40, 20, 5
FEATURES = [3, 100, 1024]


def rows(limit):
    tokenizer = Tokenizer.from_file(str(DEMO / "model" / "tokenizer.json"))
    ids = tokenizer.encode(ALICE.read_text(encoding="utf-8"), add_special_tokens=False).ids
    step = CONTEXT - 1
    out = [[0, *ids[at : at + step]] for at in range(0, len(ids) - step + 1, step)]
    return torch.tensor(out[:limit])


def activations(tokens):
    """Dense activations [n, f] of the positions that count, and their tokens, tokens before, positions."""
    model = AutoModelForCausalLM.from_pretrained(DEMO / "model", dtype=torch.float32).eval()
    sae = SAE.load_from_disk(str(DEMO / "saes" / "resid-2"), device="cpu")
    seen = []
    model.transformer.h[2].register_forward_hook(lambda m, a, o: seen.append(o[0] if isinstance(o, tuple) else o))
    out = []
    for part in tokens.split(8):
        seen.clear()
        model(part)
        out.append(sae.encode(seen[0][:, 1:]).flatten(0, 1))
    places = torch.arange(CONTEXT).expand_as(tokens)[:, 1:].flatten()
    return sae, torch.cat(out), (tokens[:, 1:].flatten(), tokens[:, :-1].flatten(), places)


def listed(acts, ids, key, least):
    counts, sums = collections.Counter(), collections.Counter()
    for token, act in zip(ids.tolist(), acts.tolist()):
        counts[token] += 1
        sums[token] += act
    found = [{"id": t, "count": n, "mean": sums[t] / n} for t, n in counts.items() if n >= least]
    return sorted(found, key=lambda e: (-e[key], e["id"]))[:LISTED]


def statistics(sae, acts, on, both, at, f):
    column = acts[:, f].double()
    active = column != 0
    values = column[active]
    ids, before, places = (each[active] for each in at)
    numpy = values.numpy()
    either = on[f] + on - both[f]
    jaccard = (both[f].double() / either.clamp(min=1)).tolist()
    others = [o for o in range(len(jaccard)) if o != f and both[f][o] > 0]
    coactive = sorted(others, key=lambda o: (-jaccard[o], o))[:LISTED]
    w_dec = torch.nn.functional.normalize(sae.W_dec.double(), dim=1)
    cosines = w_dec @ w_dec[f]
    cosines[f] = -2
    near = torch.topk(cosines, LISTED)
    w_enc = torch.nn.functional.normalize(sae.W_enc.T.double(), dim=1)
    part = CONTEXT // 16
    in_part = [(places // part == p).sum().item() / (at[2] // part == p).sum().item() for p in range(16)]
    return {
        "feature": f,
        "density": active.double().mean().item(),
        "mean": values.mean().item() if len(values) else 0.0,
        "variance": numpy.var() if len(values) else None,
        "skewness": scipy.stats.skew(numpy) if len(values) > 1 else None,
        "kurtosis": scipy.stats.kurtosis(numpy, fisher=False) if len(values) > 1 else None,
        "top_tokens": listed(values, ids, "mean", LEAST),
        "frequent_tokens": listed(values, ids, "count", 1),
        "preceding_tokens": listed(values, before, "count", 1),
        "by_position": {"positions": part, "shares": in_part},
        "first_token": (places == 1).double().mean().item() if len(values) else 0.0,
        "neighbours": [{"feature": int(o), "cosine": float(c)} for c, o in zip(near.values, near.indices)],
        "encoder_decoder_cosine": float(w_enc[f] @ w_dec[f]),
        "coactive": [{"feature": o, "jaccard": jaccard[o]} for o in coactive],
    }


def figures(limit):
    sae, acts, at = activations(rows(limit))
    on = (acts != 0).sum(0)
    both = (acts != 0).float().T @ (acts != 0).float()  # counts below 2^24 are exact
    return lambda f: statistics(sae, acts, on, both.long(), at, f)


def compare(umbra):
    """Features whose lists differ beyond near ties, and the largest relative difference of a moment."""
    of = figures(None)
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/index.sqlite"
        demo = [umbra, "index", "build", "--model", DEMO / "model", "--sae", DEMO / "saes" / "resid-2", "--corpus", ALICE, "--out", out]
        subprocess.run(demo, check=True, capture_output=True)
        worst, differ = collections.Counter(), collections.Counter()
        for f in range(0, 2048, 16):
            shown = json.loads(subprocess.run([umbra, "index", "show", out, "--feature", str(f), "--json"], check=True, capture_output=True).stdout)
            want = of(f)
            for key in ["density", "mean", "variance", "skewness", "kurtosis", "encoder_decoder_cosine"]:
                if want[key] is not None and shown[key] is not None and math.isfinite(want[key]):
                    worst[key] = max(worst[key], abs(shown[key] - want[key]) / max(abs(want[key]), 1e-3))
            for key, name in [("top_tokens", "id"), ("frequent_tokens", "id"), ("preceding_tokens", "id"), ("neighbours", "feature"), ("coactive", "feature")]:
                ours, theirs = ([e[name] for e in of[key]] for of in (shown, want))
                differ[key] += ours != theirs
        print("largest relative difference", dict(worst))
        print("lists that differ, of 128", dict(differ))


def main():
    torch.set_grad_enabled(False)
    torch.set_num_threads(2)
    if len(sys.argv) > 1:
        return compare(sys.argv[1])
    of = figures(ROWS)
    found = [of(f) for f in FEATURES]
    (HERE / "index-statistics" / "resid-2.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
    for each in found:
        print({key: each[key] for key in ["density", "mean", "variance", "skewness", "kurtosis"]}, each["top_tokens"][:3], each["coactive"][:2])


main()
