"""Writes heads/survey.json: figures of attention heads by transformers (eager attention, float64) and numpy, for tiny models of four families.

usage: heads.py  (in this folder, with torch, transformers and numpy)
"""

import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
FAMILIES = ["gpt2", "llama", "gemma2", "qwen3"]
ROWS, CONTEXT, WORDS = 3, 20, 9


def rows(vocab):
    """Rows in which tokens return often; the first token of a row too."""
    rng = np.random.default_rng(5)
    words = rng.choice(np.arange(3, vocab), WORDS, replace=False)
    return rng.choice(words, (ROWS, CONTEXT))


def output_projection(block):
    attention = block.attn if hasattr(block, "attn") else block.self_attn
    return attention.c_proj if hasattr(attention, "c_proj") else attention.o_proj


def written(projection):
    """W_O, [h·e, d]."""
    weight = projection.weight.detach()
    return weight if type(projection).__name__ == "Conv1D" else weight.T


def values(block, config, heads, width):
    """W_V of each query head, [d, e]."""
    if hasattr(block, "attn"):
        weight = block.attn.c_attn.weight.detach()[:, -heads * width :]
        return [weight[:, h * width : (h + 1) * width] for h in range(heads)]
    weight = block.self_attn.v_proj.weight.detach().T
    shared = heads // config.num_key_value_heads
    return [weight[:, h // shared * width : (h // shared + 1) * width] for h in range(heads)]


def figures(pattern, tokens):
    """Means over the queries from position 1 on, by the definitions; pattern [b, t, t]."""
    sums = {key: [] for key in ["entropy", "first", "same", "previous", "distance", "distance_variance"]}
    pairs = {key: [] for key in ["duplicate", "induction", "duplicate_excess", "induction_excess"]}
    for a, row in zip(pattern, tokens):
        for q in range(1, len(row)):
            seen = a[q, : q + 1]
            far = q - np.arange(q + 1)
            sums["entropy"].append(-(seen[seen > 0] * np.log(seen[seen > 0])).sum())
            sums["first"].append(seen[0])
            sums["same"].append(seen[q])
            sums["previous"].append(seen[q - 1])
            mean = (seen * far).sum()
            sums["distance"].append(mean)
            sums["distance_variance"].append((seen * far**2).sum() - mean**2)
            on = [k for k in range(1, q) if row[k] == row[q]]
            after = [k for k in range(2, q + 1) if row[k - 1] == row[q]]
            for key, keys in [("duplicate", on), ("induction", after)]:
                if keys:
                    pairs[key].append(seen[keys].sum())
                    pairs[key + "_excess"].append(seen[keys].sum() - len(keys) / (q + 1))
    return {key: float(np.mean(all)) for key, all in (sums | pairs).items()}


def loss(model, tokens):
    """Cross-entropy per prediction from position 1 on."""
    logits = model(tokens).logits[:, 1:-1]
    return float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 2:].flatten()))


def measured(family):
    model = AutoModelForCausalLM.from_pretrained(HERE / f"tiny-{family}", attn_implementation="eager").double().eval()
    config = model.config
    heads = config.num_attention_heads
    tokens = torch.tensor(rows(config.vocab_size))
    blocks = model.transformer.h if hasattr(model, "transformer") else model.model.layers
    mixed = {}

    def keep(layer):
        return lambda _, inputs: mixed.__setitem__(layer, inputs[0].clone())

    hooks = [output_projection(block).register_forward_pre_hook(keep(i)) for i, block in enumerate(blocks)]
    with torch.no_grad():
        attentions = model(tokens, output_attentions=True).attentions
        clean = loss(model, tokens)
    for hook in hooks:
        hook.remove()
    embed = model.get_input_embeddings().weight.detach()
    unembed = model.get_output_embeddings().weight.detach().T
    found = []
    for layer, block in enumerate(blocks):
        projection = output_projection(block)
        out = written(projection)
        width = out.shape[0] // heads
        for head, value in enumerate(values(block, config, heads, width)):
            own = slice(head * width, (head + 1) * width)
            z = mixed[layer][:, 1:, own]
            circuit = (embed @ value @ out[own] @ unembed).numpy()
            eigenvalues = np.linalg.eigvals(circuit)
            mean = z.flatten(0, 1).mean(0)

            def replace(_, inputs):
                changed = inputs[0].clone()
                changed[:, 1:, own] = mean
                return (changed,)

            hook = projection.register_forward_pre_hook(replace)
            with torch.no_grad():
                ablated = loss(model, tokens)
            hook.remove()
            row = figures(attentions[layer][:, head].numpy(), tokens.numpy())
            row |= {
                "layer": layer,
                "head": head,
                "output_norm": float((z @ out[own]).norm(dim=-1).mean()),
                "copying": float(eigenvalues.sum().real / np.abs(eigenvalues).sum()),
                "ce_increase": ablated - clean,
            }
            found.append({key: float(f"{v:.9g}") if isinstance(v, float) else v for key, v in row.items()})
    return {"rows": tokens.tolist(), "heads": found}


if __name__ == "__main__":
    (HERE / "heads").mkdir(exist_ok=True)
    all_families = {family: measured(family) for family in FAMILIES}
    (HERE / "heads" / "survey.json").write_text(json.dumps(all_families, separators=(",", ":")) + "\n")
