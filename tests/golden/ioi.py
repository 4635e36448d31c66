"""Computes what `umbra evaluate ioi --json` prints, with PyTorch and transformers, from the definitions alone.

    python ioi.py MODEL PROMPTS.jsonl --site blocks.2.attn.hook_z:0,3@end [--sae FOLDER ...] [--compare ANSWER.json] [--nudge]

Sites: blocks.L.attn.hook_z with heads, blocks.L.hook_resid_pre|hook_resid_post|hook_attn_out|hook_mlp_out without; GPT-2 layout. Dictionaries: SAELens folders with topk, relu or jumprelu.
`--compare` exits with 1 where a figure differs by more than its tolerance; `--nudge` moves one head first, to show that the comparison can fail.
"""
import argparse
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def parse(site):
    place, position = site.rsplit("@", 1)
    hook, _, heads = place.partition(":")
    layer, name = hook.removeprefix("blocks.").split(".", 1)
    return int(layer), name, [int(h) for h in heads.split(",")] if heads else None, position


class Sae:
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.name = folder.name
        cfg = json.loads((folder / "cfg.json").read_text())
        w = load_file(folder / "sae_weights.safetensors")
        self.w_enc, self.b_enc = w["W_enc"].double(), w["b_enc"].double()
        self.w_dec, self.b_dec = w["W_dec"].double(), w["b_dec"].double()
        self.kind, self.k = cfg["architecture"], cfg.get("k")
        self.threshold = w.get("threshold")
        self.input = cfg.get("apply_b_dec_to_input", False)
        self.hook = cfg.get("metadata", {}).get("hook_name") or cfg["hook_name"]

    def encode(self, x):
        x = x.double()
        pre = (x - self.b_dec if self.input else x) @ self.w_enc + self.b_enc
        if self.kind == "topk":
            top = pre.topk(self.k, dim=-1)
            return torch.zeros_like(pre).scatter(-1, top.indices, top.values.relu())
        if self.kind == "jumprelu":
            return pre.relu() * (pre > self.threshold)
        return pre.relu()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("prompts")
    parser.add_argument("--site", action="append", required=True)
    parser.add_argument("--sae", action="append", default=[])
    parser.add_argument("--compare")
    parser.add_argument("--nudge", action="store_true")
    args = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32, attn_implementation="eager").eval()
    heads, width = model.config.n_head, model.config.n_embd // model.config.n_head
    one = lambda text: (lambda ids: ids[0] if len(ids) == 1 else sys.exit(f"{text!r} is not one token"))(tokenizer(text, add_special_tokens=False)["input_ids"])
    lines = [json.loads(line) for line in open(args.prompts)]
    names = sorted({line["io"] for line in lines} | {line["s"] for line in lines})
    bos = tokenizer.bos_token_id
    sites = [parse(site) for site in args.site]
    if args.nudge:
        layer, name, chosen, position = sites[0]
        sites[0] = (layer, name, [(chosen[0] + 1) % heads] + chosen[1:], position)

    def module(layer, name):
        block = model.transformer.h[layer]
        return {"attn.hook_z": block.attn.c_proj, "hook_attn_out": block.attn, "hook_mlp_out": block.mlp, "hook_resid_pre": block, "hook_resid_post": block}[name]

    def run(ids, places, values=None):
        """Activations at the places and last logits; `values` replaces the columns of each place."""
        seen, handles = {}, []
        for number, (layer, name, columns, at) in enumerate(places):
            def change(x, number=number, columns=columns, at=at):
                seen[number] = x[0, at].clone()
                if values is not None and values[number] is not None:
                    x = x.clone()
                    x[0, at, columns] = values[number][columns].float()
                return x
            target = module(layer, name)
            if name in ("attn.hook_z", "hook_resid_pre"):
                handles.append(target.register_forward_pre_hook(lambda m, a, c=change: (c(a[0]), *a[1:])))
            else:
                def after(m, a, out, c=change):
                    return (c(out[0]), *out[1:]) if isinstance(out, tuple) else c(out)
                handles.append(target.register_forward_hook(after))
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1]
        for handle in handles:
            handle.remove()
        return [seen[number].double() for number in range(len(places))], logits

    def columns(name, chosen):
        if chosen is None:
            return torch.arange(model.config.n_embd)
        return torch.cat([torch.arange(head * width, (head + 1) * width) for head in chosen])

    def places(positions):
        return [(layer, name, columns(name, chosen), positions[position]) for layer, name, chosen, position in sites]

    class Read:
        pass

    prompts = []
    for line in lines:
        ids = [bos] + tokenizer(line["text"], add_special_tokens=False)["input_ids"]
        at = line["positions"]
        assert ids[at["io"]] == one(line["io"]) and ids[at["s1"]] == ids[at["s2"]] == one(line["s"]) and at["end"] == len(ids) - 1
        assert line["pos"] == ("ABB" if at["io"] < at["s1"] else "BAB")
        read = Read()
        read.line, read.ids, read.places = line, ids, places(at)
        read.acts, read.logits = run(ids, read.places)
        prompts.append(read)
    half = len(prompts) // 2
    build, test = prompts[:half], prompts[half:]
    wide = range(len(sites))
    mean = [torch.stack([p.acts[i] for p in build]).mean(0) for i in wide]

    def directions(key):
        groups = {}
        for p in build:
            groups.setdefault(p.line[key], []).append(p)
        return {value: [torch.stack([p.acts[i] - mean[i] for p in some]).mean(0) for i in wide] for value, some in groups.items()}

    u = {key: directions(key) for key in ("io", "s", "pos")}
    zero = [torch.zeros_like(m) for m in mean]
    of = lambda key, value: u[key].get(value, zero)

    def counterfactual(p, key):
        line, ids, at = dict(p.line), list(p.ids), dict(p.line["positions"])
        if key == "pos":
            ids[at["io"]], ids[at["s1"]] = ids[at["s1"]], ids[at["io"]]
            at["io"], at["s1"] = at["s1"], at["io"]
            line["pos"] = "BAB" if line["pos"] == "ABB" else "ABB"
        else:
            place = names.index(line[key])
            new = next(n for n in names[place + 1:] + names[:place] if n not in (line["io"], line["s"]))
            for position in (["io"] if key == "io" else ["s1", "s2"]):
                ids[at[position]] = one(new)
            line[key] = new
        return line, run(ids, places(at))[0]

    ld = lambda p, logits: (logits[one(p.line["io"])] - logits[one(p.line["s"])]).item()
    average = lambda values: sum(values) / len(values)
    for p in test:
        p.other = {key: counterfactual(p, key) for key in u}
        p.truth = {key: run(p.ids, p.places, p.other[key][1])[1].argmax().item() for key in u}
    clean = average([ld(p, p.logits) for p in test])

    def scores(reconstruct, edit, covered):
        only = lambda values: [v if i in covered else None for i, v in enumerate(values)]
        go = lambda p, values: run(p.ids, p.places, only(values))[1]
        ablated = average([ld(p, go(p, mean)) for p in test])
        sufficient = average([ld(p, go(p, reconstruct(p))) for p in test])
        rest = average([ld(p, go(p, [m + a - r for m, a, r in zip(mean, p.acts, reconstruct(p))])) for p in test])
        agree = {}
        for key in u:
            truth = [p.truth[key] if len(covered) == len(sites) else go(p, p.other[key][1]).argmax().item() for p in test]
            agree[key] = average([float(go(p, edit(p, key)).argmax().item() == t) for p, t in zip(test, truth)])
        return {"sufficiency": sufficient / clean, "necessity": 1 - abs(ablated - rest) / abs(ablated - clean), "edit_accuracy": agree}

    def supervised_edit(p, key):
        line = p.other[key][0]
        return [a - old + new for a, old, new in zip(p.acts, of(key, p.line[key]), of(key, line[key]))]

    def supervised(p):
        return [m + sum(of(key, p.line[key])[i] for key in u) for i, m in enumerate(mean)]

    found = {
        "accuracy": average([float(ld(p, p.logits) > 0) for p in test]),
        "logit_difference": clean,
        "dictionaries": [{"name": "supervised-mean", **scores(supervised, supervised_edit, list(wide))}],
    }
    for folder in args.sae:
        sae = Sae(folder)
        covered = [i for i, (layer, name, _, _) in enumerate(sites) if f"blocks.{layer}.{name}" == sae.hook]
        reconstruct = lambda p: [sae.encode(a) @ sae.w_dec + sae.b_dec if i in covered else a for i, a in enumerate(p.acts)]

        def edit(p, key):
            values = []
            for i, (a, target) in enumerate(zip(p.acts, p.other[key][1])):
                if i not in covered:
                    values.append(a)
                    continue
                cols = p.places[i][2]
                changes = (sae.encode(target) - sae.encode(a))[:, None] * sae.w_dec[:, cols]
                now = a[cols].clone()
                for _ in range(2):
                    distances = (now + changes - target[cols]).norm(dim=1)
                    best = distances.argmin().item()
                    now = now + changes[best]
                    changes[best] = 0
                whole = a.clone()
                whole[cols] = now
                values.append(whole)
            return values

        found["dictionaries"].append({"name": sae.name, **scores(reconstruct, edit, covered)})
    print(json.dumps(found, indent=1))
    if args.compare:
        compare(found, json.loads(pathlib.Path(args.compare).read_text()), len(test))


def compare(ours, theirs, tests):
    """Means of logits agree to 1e-4 (f32 passes in another order); shares may differ by one prompt, whose two best logits are equal to f32."""
    wrong = []

    def check(what, a, b, tolerance):
        if not abs(a - b) <= tolerance:
            wrong.append(f"{what}: {a} here, {b} there")

    check("accuracy", ours["accuracy"], theirs["accuracy"], 1.01 / tests)
    check("logit_difference", ours["logit_difference"], theirs["logit_difference"], 1e-4)
    there = {one["name"]: one for one in theirs["dictionaries"]}
    for one in ours["dictionaries"]:
        other = there[one["name"]]
        for key in ("sufficiency", "necessity"):
            check(f"{one['name']} {key}", one[key], other[key], 1e-4)
        for key, value in one["edit_accuracy"].items():
            check(f"{one['name']} {key}", value, other["edit_accuracy"][key], 1.01 / tests)
    print("\n".join(wrong) or "all agree")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
