"""Compares `umbra search --json` with PyTorch on the demo: maxima, means, positions and shares of every feature that fires, sharing no code with Umbra.

    python3 search.py path/to/umbra

Needs torch and transformers (2.15.0 and 5.24.0 were used). Exits with 1 where a figure differs. Activations may differ by 1e-3 of their size: both sides sum in
float32 in other orders, and of two features that close to the k-th place either may be kept, so that features below 1.02 times the least kept activation of a
token are compared where both sides keep them.
"""

import json
import pathlib
import subprocess
import sys

import torch
import transformers
from safetensors.torch import load_file

DEMO = pathlib.Path(__file__).parents[2] / "assets" / "demo"
TEXT = "The old king looked at the fox, and the king said that he had never seen so sly a fox."
SAES = ["resid-2", "attn-3"]


def activations(model, ids, hook):
    """Values of a hook, [t, d]: a residual stream after a block, or what a block's heads give to their output product."""
    kept, block = {}, int(hook.split(".")[1])
    if hook.endswith("hook_resid_post"):
        module = model.transformer.h[block]
        handle = module.register_forward_hook(lambda _m, _i, out: kept.update(x=out[0] if isinstance(out, tuple) else out))
    else:
        module = model.transformer.h[block].attn.c_proj
        handle = module.register_forward_pre_hook(lambda _m, args: kept.update(x=args[0]))
    with torch.no_grad():
        model(ids)
    handle.remove()
    return kept["x"].reshape(ids.shape[1], -1)


def code(x, weights, config):
    """Top-k code of x, [t, f], in float32."""
    centred = x - weights["b_dec"] if config["apply_b_dec_to_input"] else x
    pre = torch.relu(centred @ weights["W_enc"] + weights["b_enc"])
    values, places = pre.topk(config["k"], dim=-1)
    return torch.zeros_like(pre).scatter(-1, places, values)


def main(umbra):
    paths = [str(DEMO / "saes" / name) for name in SAES]
    flags = [flag for path in paths for flag in ("--sae", path)]
    line = [umbra, "search", "--model", str(DEMO / "model"), *flags, "--text", TEXT, "--device", "cpu", "--json"]
    found = json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
    model = transformers.AutoModelForCausalLM.from_pretrained(DEMO / "model", attn_implementation="eager").float().eval()
    ids = torch.tensor([[token["id"] for token in found["tokens"]]])
    order = [abs(result["max"]) for result in found["results"]]
    wrong = [] if order == sorted(order, reverse=True) else ["the results are not in the order of their maxima"]
    for name, path in zip(SAES, paths):
        config = json.loads((pathlib.Path(path) / "cfg.json").read_text())
        weights = {key: value.float() for key, value in load_file(pathlib.Path(path) / "sae_weights.safetensors").items()}
        acts = code(activations(model, ids, config["metadata"]["hook_name"]), weights, config)
        least = torch.where(acts > 0, acts, torch.inf).amin(-1, keepdim=True)
        doubtful = ((acts > 0) & (acts < 1.02 * least)).double().numpy()
        acts = acts.double()
        acts[0] = 0  # the first position never counts
        written = acts @ weights["W_dec"].double()
        along = (acts * (written @ weights["W_dec"].double().T)).sum(0) / (written**2).sum()
        results = {result["feature"]: result for result in found["results"] if result["sae"] == name}
        for feature in range(acts.shape[1]):
            column, result = acts[:, feature], results.get(feature)
            if doubtful[:, feature].any() or (column > 0).sum() == 0:
                continue
            if result is None:
                wrong.append(f"{name} {feature}: fires and is not listed")
                continue
            want = {"max": column.max(), "mean": column[1:].mean(), "share": along[feature]}
            for key, value in want.items():
                if abs(result[key] - float(value)) > 1e-3 * max(abs(float(value)), 1e-3):
                    wrong.append(f"{name} {feature}: {key} {result[key]}, PyTorch has {float(value)}")
            if result["positions"] != column.nonzero().flatten().tolist():
                wrong.append(f"{name} {feature}: positions {result['positions']}")
        print(f"{name}: {len(results)} features listed, {int((acts > 0).any(0).sum())} by PyTorch")
    print("\n".join(wrong[:20]) or "all figures agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
