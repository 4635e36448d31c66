"""Causes of predictions by torch and transformers in float64: features of made-up dictionaries by exact ablation and by a·∇, and direct contributions.

python causes.py  writes causes/*.json beside itself. Shares no code with Umbra: every number is its definition, one full pass for each changed value.
"""
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
torch.set_default_dtype(torch.float64)
TOKENS = [(i * 97 + 5) % 512 for i in range(9)]
RIGHT, WRONG = 17, 300
FEATURES, K = 12, 3


def table(rows, columns, seed):
    """Numbers without a pattern; the test makes the same."""
    n = torch.arange(rows * columns) + 1
    values = ((n * 2654435761 % 2**32) ^ (seed * 97)) % 1000
    return (values / 500 - 1).reshape(rows, columns)


def names(model):
    """Modules by their job: embedding, blocks, final norm, and per block output projection, norms behind attention and MLP, MLP."""
    base = model.base_model
    family = model.config.model_type
    if family == "gpt2":
        block = lambda b: (b.attn.c_proj, None, b.mlp, None)
        return base.wte, base.wpe, base.h, base.ln_f, block
    if family == "gpt_neo":
        block = lambda b: (b.attn.attention.out_proj, None, b.mlp, None)
        return base.wte, base.wpe, base.h, base.ln_f, block
    if family == "gpt_neox":
        block = lambda b: (b.attention.dense, None, b.mlp, None)
        return base.embed_in, None, base.layers, base.final_layer_norm, block
    post = family in ("gemma2", "gemma3_text")
    block = lambda b: (
        b.self_attn.o_proj,
        b.post_attention_layernorm if post else None,
        b.mlp,
        b.post_feedforward_layernorm if post else None,
    )
    return base.embed_tokens, None, base.layers, base.norm, block


class At:
    """Keeps or changes what a module takes (`into`) or gives."""

    def __init__(self, module, into=False, change=None):
        self.value = None

        def visit(value):
            self.value = value
            return change(value) if change else value

        if into:
            hook = lambda _, args: (visit(args[0]), *args[1:])
            self.handle = module.register_forward_pre_hook(hook)
        else:

            def hook(_, __, out):
                return (visit(out[0]), *out[1:]) if isinstance(out, tuple) else visit(out)

            self.handle = module.register_forward_hook(hook)


def logits(model):
    return model(torch.tensor([TOKENS]), use_cache=False).logits[0]


def value(out, target):
    if target == "loss":
        t = len(TOKENS)
        return torch.nn.functional.cross_entropy(out[1 : t - 1], torch.tensor(TOKENS[2:]))
    return out[-1, RIGHT] - (out[-1, WRONG] if target == "difference" else 0)


def gamma(norm):
    gemma = "Gemma" in type(norm).__name__
    return norm.weight + 1 if gemma else norm.weight


def scaled(norm, u, x):
    """The linear part of a norm on u, with its scale on x held."""
    layer = isinstance(norm, torch.nn.LayerNorm)
    eps = getattr(norm, "eps", None) or getattr(norm, "variance_epsilon", None)
    centre = (lambda v: v - v.mean(-1, keepdim=True)) if layer else (lambda v: v)
    sigma = (centre(x).pow(2).mean(-1, keepdim=True) + eps).sqrt()
    return centre(u) * gamma(norm) / sigma


@torch.no_grad()
def components(model, target):
    positions, blocks, norm, of = names(model)[1:]
    kept = [At(norm, into=True), At(blocks[0], into=True), At(positions) if positions else None]
    inside = []
    for block in blocks:
        out, post, mlp, post_mlp = of(block)
        inside.append((At(out, into=True), At(out), At(post_mlp or mlp)))
    out = logits(model)
    final = kept[0].value[0, -1]
    unembed = model.get_output_embeddings()
    column = unembed.weight[RIGHT] - (unembed.weight[WRONG] if target == "difference" else 0)
    read = lambda u: (scaled(norm, u, final) @ column).item()
    parts = {}
    # Gemma scales its embedding before the first block reads it.
    first = kept[1].value[0, -1]
    place = kept[2].value.reshape(-1, final.shape[-1])[-1] if positions else 0
    parts["embed"] = read(first - place)
    if positions:
        parts["pos_embed"] = read(place)
    heads = model.config.num_attention_heads
    for layer, (block, (z, raw, mlp)) in enumerate(zip(blocks, inside)):
        projection, post, _, _ = of(block)
        weight = projection.weight if type(projection).__name__ == "Conv1D" else projection.weight.T
        behind = (lambda u, raw=raw, post=post: scaled(post, u, raw.value[0, -1])) if post else (lambda u: u)
        each = z.value[0, -1].reshape(heads, -1)
        wide = each.shape[1]
        for head in range(heads):
            parts[f"L{layer}.H{head}"] = read(behind(each[head] @ weight[head * wide : (head + 1) * wide]))
        if projection.bias is not None:
            parts[f"L{layer}.attn_bias"] = read(behind(projection.bias))
        parts[f"L{layer}.mlp"] = read(mlp.value[0, -1])
    if getattr(norm, "bias", None) is not None:
        parts["final_norm_bias"] = (norm.bias @ column).item()
    if unembed.bias is not None:
        bias = unembed.bias[RIGHT] - (unembed.bias[WRONG] if target == "difference" else 0)
        parts["unembed_bias"] = bias.item()
    cap = getattr(model.config, "final_logit_softcapping", None)
    whole = value(out if not cap else cap * torch.atanh(out / cap), target).item()
    # RMSNorm of transformers computes in float32.
    assert abs(sum(parts.values()) - whole) < 1e-5, (model.config.model_type, sum(parts.values()), whole)
    for at in [*kept, *(at for three in inside for at in three)]:
        if at:
            at.handle.remove()
    return {"model_value": value(out, target).item(), "whole": whole, "parts": parts}


def features(model, place, target, slice_, norm):
    module, into = place
    keep = At(module, into=into)
    base = value(logits(model), target)
    gradient = torch.autograd.grad(base, keep.value)[0][0].detach()
    x = keep.value[0].detach()
    keep.handle.remove()
    columns = slice(*slice_) if slice_ else slice(0, x.shape[-1])
    own, gradient = x[:, columns], gradient[:, columns]
    d = own.shape[-1]
    enc, dec, bias = table(FEATURES, d, 3), table(FEATURES, d, 4), table(1, d, 5)[0] / 10
    shift, back = torch.zeros(len(own), 1), torch.ones(len(own), 1)
    read = own
    if norm == "layer":
        shift = own.mean(-1, keepdim=True)
        back = (own - shift).pow(2).sum(-1, keepdim=True).div(d - 1).sqrt()
        read = (own - shift) / (back + 1e-5)
    pre = (read - bias) @ enc.T
    top = pre.topk(K)
    acts = torch.zeros_like(pre).scatter(1, top.indices, top.values.relu())
    made = (acts @ dec + bias) * back + shift
    error = own - made

    @torch.no_grad()
    def without(position, part):
        def change(v):
            v = v.clone()
            v[0, position, columns] -= part
            return v

        at = At(module, into=into, change=change)
        out = value(logits(model), target) - base
        at.handle.remove()
        return out.item()

    listed, errors = [], []
    for p in range(1, len(TOKENS)):
        for f in acts[p].nonzero().flatten().tolist():
            part = acts[p, f] * dec[f] * back[p]
            listed.append([f, p, acts[p, f].item(), without(p, part), -(part @ gradient[p]).item()])
        errors.append([p, without(p, error[p]), -(error[p] @ gradient[p]).item()])
    constant = -((bias * back + shift) * gradient)[1:].sum().item()
    whole = -(own * gradient)[1:].sum().item()
    parts = sum(row[4] for row in listed) + sum(row[2] for row in errors) + constant
    assert abs(parts - whole) < 1e-9, (parts, whole)
    return {"value": base.item(), "features": listed, "errors": errors, "b_dec": constant, "gradient_sum": whole}


def main():
    folders = ["gpt2", "gpt-neo", "gpt-neox", "llama", "mistral", "qwen2", "qwen3", "phi3", "gemma2", "gemma3"]
    direct, cases = {}, []
    for folder in folders:
        model = AutoModelForCausalLM.from_pretrained(
            HERE / f"tiny-{folder}", dtype=torch.float64, attn_implementation="eager"
        ).eval()
        model.requires_grad_(True)
        direct[folder] = {target: components(model, target) for target in ["logit", "difference"]}
        _, _, blocks, _, of = names(model)
        out, post, mlp, _ = of(blocks[0])
        e = getattr(model.config, "head_dim", None) or model.config.hidden_size // model.config.num_attention_heads
        places = {
            "gpt2": [
                ("blocks.0.hook_resid_post", (blocks[0], False), "difference", None, None),
                ("blocks.0.hook_resid_post", (blocks[0], False), "loss", None, "layer"),
                ("blocks.0.attn.hook_z", (out, True), "logit", (e, 2 * e), None),
                ("blocks.0.hook_mlp_out", (mlp, False), "logit", None, None),
            ],
            "llama": [
                ("blocks.1.hook_resid_pre", (blocks[1], True), "loss", None, None),
                ("blocks.0.attn.hook_z", (out, True), "difference", None, None),
            ],
            "gemma2": [("blocks.0.hook_attn_out", (post or out, False), "logit", None, None)],
        }
        for hook, place, target, slice_, norm in places.get(folder, []):
            found = features(model, place, target, slice_, norm)
            head = slice_[0] // e if slice_ else None
            cases.append({"model": folder, "hook": hook, "target": target, "head": head, "norm": norm, **found})
    write = lambda name, what: (HERE / "causes" / name).write_text(json.dumps(what))
    write("direct.json", direct)
    write("features.json", cases)


main()
