"""Makes children/: dictionaries of an error with random weights, and what torch measures with them in tiny-gpt2's residual stream.

    python3 children.py

Needs torch, transformers, numpy and safetensors. `tensors.safetensors` holds encoder and decoder of a parent and of a child (feature-major) and the linear map
`[d + 1, d]`; `figures.json` the tokens and, for each part of the error, FVU and cross-entropies by the definitions of `umbra eval`: positions >= 1 of each row
count, each charged with the next token. Everything is computed in f64 from the weights in f32.
"""

import json
import pathlib

import numpy
import torch
import transformers
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
LAYER, K_PARENT, K_CHILD, ROWS, CONTEXT = 1, 6, 4, 12, 24


def code(sae, x, k):
    pre = torch.relu((x - sae["b_dec"]) @ sae["w_enc"].T + sae["b_enc"])
    kept = torch.zeros_like(pre)
    top = pre.topk(k, dim=-1)
    return kept.scatter(-1, top.indices, top.values) @ sae["w_dec"] + sae["b_dec"]


def main():
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    model = transformers.AutoModelForCausalLM.from_pretrained(HERE / "tiny-gpt2", attn_implementation="eager").double()
    d, rng = model.config.n_embd, numpy.random.default_rng(3)
    tokens = torch.tensor(rng.integers(1, model.config.vocab_size, (ROWS, CONTEXT)))
    block = model.transformer.h[LAYER]

    def run(value=None):
        seen = {}

        def hook(_, __, out):
            whole = out[0] if isinstance(out, tuple) else out
            seen["x"] = whole
            if value is None:
                return None
            put = torch.where(torch.arange(CONTEXT)[None, :, None] >= 1, value, whole)
            return (put, *out[1:]) if isinstance(out, tuple) else put

        handle = block.register_forward_hook(hook)
        logits = model(tokens).logits
        handle.remove()
        logs = torch.log_softmax(logits, -1)[:, 1:-1]
        ce = -logs.gather(-1, tokens[:, 2:, None]).mean()
        return float(ce), seen["x"]

    clean, x = run()
    size = float(x[:, 1:].std())
    tensors, saes = {}, {}
    for name, features, scale in [("parent", 96, 1.0), ("child", 64, 0.5)]:
        rows = rng.normal(size=(features, d))
        rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
        sae = {
            "w_enc": rows, "b_enc": rng.normal(size=features) * 0.05 * size, "w_dec": rows + 0.1 * rng.normal(size=rows.shape),
            "b_dec": rng.normal(size=d) * 0.2 * size * scale,
        }
        sae = {key: value.astype(numpy.float32) for key, value in sae.items()}
        tensors |= {f"{name}.{key}": value for key, value in sae.items()}
        saes[name] = {key: torch.tensor(value).double() for key, value in sae.items()}
    # A map that predicts part of the error: the least-squares one, with noise, so that neither part is small.
    recon = code(saes["parent"], x, K_PARENT)
    ones = torch.cat([x, torch.ones_like(x[..., :1])], -1)
    flat = ones[:, 1:].reshape(-1, d + 1)
    best = torch.linalg.lstsq(flat, (x - recon)[:, 1:].reshape(-1, d)).solution.numpy()
    map_ = (best + rng.normal(size=best.shape) * 0.02).astype(numpy.float32)
    tensors["map"] = map_
    linear = ones @ torch.tensor(map_).double()
    error = x - recon
    parts = {"error": error, "linear": linear, "nonlinear": error - linear}
    figures = {}

    def fvu(value, of):
        value, of = value[:, 1:].reshape(-1, d), of[:, 1:].reshape(-1, d)
        return float(((value - of) ** 2).sum() / ((of - of.mean(0)) ** 2).sum())

    for name, part in parts.items():
        own = code(saes["child"], part, K_CHILD)
        mean = part[:, 1:].reshape(-1, d).mean(0)
        figures[name] = {
            "fvu": fvu(own, part), "fvu_parent": fvu(recon, x), "fvu_pair": fvu(recon + own, x),
            "ce_clean": clean, "ce_sae": run(x - part + own)[0], "ce_zero": run(x - part)[0], "ce_mean": run(x - part + mean)[0],
            "ce_parent": run(recon)[0], "ce_pair": run(recon + own)[0],
        }
    save_file(tensors, HERE / "children" / "tensors.safetensors")
    out = {"k_parent": K_PARENT, "k_child": K_CHILD, "hook": f"blocks.{LAYER}.hook_resid_post", "tokens": tokens.tolist(), "figures": figures}
    (HERE / "children" / "figures.json").write_text(json.dumps(out) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
