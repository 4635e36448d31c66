"""Evaluates a dictionary with transformers and sae-lens, sharing no code with Umbra: the comparison for `umbra eval`.

usage: evaluate.py MODEL SAE TOKENS TEXT...      (pip install torch transformers==5.23.0 sae-lens==6.54.12)
The comparison is for --positions first. Prints L0, FVU and CE clean, spliced, zero- and mean-ablated over the first TOKENS tokens (0: all), positions 1..t-1 of rows of 256.
"""

import json
import sys

import torch
from sae_lens import SAE
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

CONTEXT = 256


def rows(tokenizer, paths, bos):
    stream, out = [], []
    for path in sorted(paths, key=lambda p: p.rsplit("/", 1)[-1]):
        stream += [bos] * bool(stream) + tokenizer.encode(open(path, encoding="utf-8").read(), add_special_tokens=False).ids
    at = 0
    while at < len(stream):
        at += stream[at] == bos
        row = [bos] + stream[at : at + CONTEXT - 1]
        at += CONTEXT - 1
        if len(row) == CONTEXT:
            out.append(row)
    return torch.tensor(out)


def main(model_path, sae_path, limit, paths):
    torch.set_grad_enabled(False)
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(f"{model_path}/tokenizer.json")
    sae = SAE.load_from_disk(sae_path, device="cpu")
    hook = sae.cfg.metadata.hook_name
    layer = int(hook.split(".")[1])
    block = model.transformer.h[layer]
    tokens = rows(tokenizer, paths, model.config.bos_token_id)
    if limit:
        tokens = tokens[: max(1, limit // CONTEXT)]
    site = {"z": block.attn.c_proj, "resid_post": block}["z" if hook.endswith("hook_z") else "resid_post"]
    swap, seen = [None], []

    def edit(x):
        seen.append(x)
        if swap[0] is None:
            return x
        new = swap[0](x[:, 1:])
        return torch.cat([x[:, :1], new.expand_as(x[:, 1:])], 1)

    if hook.endswith("hook_z"):
        site.register_forward_pre_hook(lambda m, a: (edit(a[0]), *a[1:]))
    else:
        site.register_forward_hook(lambda m, a, o: (edit(o[0]), *o[1:]) if isinstance(o, tuple) else edit(o))

    def flat_encode(x):
        if sae.cfg.reshape_activations == "hook_z":
            x = x.unflatten(-1, (model.config.n_head, -1))
        return sae.encode(x)

    def reconstruct(x):
        out = sae.decode(flat_encode(x))
        return out.flatten(-2) if sae.cfg.reshape_activations == "hook_z" else out

    def loss(transform):
        swap[0] = transform
        total = 0.0
        for part in tokens.split(16):
            seen.clear()
            logits = model(part).logits[:, 1:-1]
            targets = part[:, 2:]
            total += torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").double().item()
        return total / (len(tokens) * (CONTEXT - 2))

    swap[0] = None
    count, l0, error, square, first = 0, 0.0, 0.0, 0.0, 0.0
    for part in tokens.split(16):
        seen.clear()
        model.transformer(part)
        x = seen[0][:, 1:].flatten(0, 1)
        recon = reconstruct(x[None])[0]
        l0 += (flat_encode(x[None])[0] > 0).sum().item()
        error += ((x - recon).double() ** 2).sum().item()
        square += (x.double() ** 2).sum().item()
        first = first + x.double().sum(0)
        count += len(x)
    mean = first / count
    zero, splice, clean = loss(torch.zeros_like), loss(reconstruct), loss(None)
    ablated = loss(lambda x: mean.float()[None, None])
    print(json.dumps({
        "l0": l0 / count, "fvu": error / (square - count * (mean**2).sum().item()), "ce_clean": clean, "ce_sae": splice, "ce_zero": zero,
        "ce_mean": ablated, "ce_recovered_zero": (zero - splice) / (zero - clean),
        "ce_recovered_mean": (ablated - splice) / (ablated - clean), "tokens": count,
    }, indent=1))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
