"""Makes patching.json: activation patching and path patching between two texts by plain hooks of torch on transformers' models.

    python3 patching.py

Every place is patched in a pass of its own over the whole text, from the tokens on, in float64. Of each family it writes the target on the second text when a
place is taken from the first: layer by position for the stream that enters a block and for what attention and the MLP add to it (after a post-norm, where
there is one), layer by head for z. Path patching follows Wang et al. 2022 (arXiv 2211.00593, appendix B): a pass over the second text with z of the sender from
the first and z of all other heads as in the second text records the receiver's input; a second pass over the second text puts it into the receiver, and only
into the receiver where heads share keys and values. The MLPs are recomputed, or frozen as in the second text.

Made with torch 2.15.0 and transformers 5.24.0.
"""

import json
import pathlib

import torch
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
HERE = pathlib.Path(__file__).parent
# The second pair differs everywhere, the first at two positions.
PAIRS = [([11, 7, 300, 41, 5, 96], [11, 7, 22, 41, 210, 96]), ([3, 8, 450, 12, 77], [9, 401, 2, 13, 140])]
RIGHT, WRONG = 17, 402


class Parts:
    """Modules of one family: what a hook replaces at a site."""

    def __init__(self, family, model):
        self.family, self.config = family, model.config
        self.heads = model.config.num_attention_heads
        self.kv = getattr(model.config, "num_key_value_heads", None) or self.heads
        if family == "gpt2":
            self.blocks = model.transformer.h
            self.final = model.transformer.ln_f
        elif family == "gpt-neox":
            self.blocks = model.gpt_neox.layers
            self.final = model.gpt_neox.final_layer_norm
        else:
            self.blocks = model.model.layers
            self.final = model.model.norm

    def attention(self, block):
        return block.attn if self.family == "gpt2" else block.attention if self.family == "gpt-neox" else block.self_attn

    def module(self, layer, site):
        """The module, and whether its input is meant and not its output."""
        block = self.blocks[layer]
        attention = self.attention(block)
        post = self.family in ("gemma2", "gemma3")
        match site:
            case "resid_pre":
                return block, True
            case "attn_out":
                return (block.post_attention_layernorm if post else attention), False
            case "mlp_out":
                return (block.post_feedforward_layernorm if post else block.mlp), False
            case "z":
                return {"gpt2": lambda: attention.c_proj, "gpt-neox": lambda: attention.dense}.get(self.family, lambda: attention.o_proj)(), True
            case "q" | "k" | "v":
                fused = {"gpt2": "c_attn", "gpt-neox": "query_key_value"}.get(self.family)
                return getattr(attention, fused or f"{site}_proj"), False

    def columns(self, site, head):
        """Columns of the module's value that belong to a head."""
        if site in "kv" and self.family not in ("gpt2", "gpt-neox"):
            head = head * self.kv // self.heads
        if self.family == "gpt2" and site in "qkv":
            width = self.config.hidden_size // self.heads
            start = "qkv".index(site) * self.config.hidden_size + head * width
        elif self.family == "gpt-neox" and site in "qkv":
            width = self.config.hidden_size // self.heads
            start = head * 3 * width + "qkv".index(site) * width
        else:
            width = getattr(self.config, "head_dim", None) or self.config.hidden_size // self.heads
            start = head * width
        return slice(start, start + width)


def run(parts, model, tokens, replace=(), record=()):
    """Logits of a pass with `replace`, a list of (layer, site, f) whose f gets the value and returns another, and the values of `record`."""
    handles, kept = [], {}

    def before(f):
        def hook(_, args, kwargs):
            if args:
                return (f(args[0]), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": f(kwargs["hidden_states"])}

        return hook

    def behind(f):
        return lambda _, args, out: (f(out[0]), *out[1:]) if isinstance(out, tuple) else f(out)

    def keep(place):
        def f(value):
            kept[place] = value.detach().clone()
            return value

        return f

    for layer, site, f in [*replace, *((layer, site, keep((layer, site))) for layer, site in record)]:
        module, inputs = parts.module(layer, site)
        handles.append(module.register_forward_pre_hook(before(f), with_kwargs=True) if inputs else module.register_forward_hook(behind(f)))
    with torch.no_grad():
        logits = model(torch.tensor([tokens]), use_cache=False).logits[0].double()
    for handle in handles:
        handle.remove()
    return logits, kept


def targets(logits, tokens):
    """One logit, a difference of two, the mean cross-entropy from position 1 on; logits as the model gives them, at the last position."""
    loss = torch.nn.functional.cross_entropy(logits[1:-1], torch.tensor(tokens[2:]))
    return [value.item() for value in (logits[-1, RIGHT], logits[-1, RIGHT] - logits[-1, WRONG], loss)]


def put(source, rows=slice(None), columns=slice(None)):
    def f(value):
        value = value.clone()
        value[:, rows, columns] = source[:, rows, columns]
        return value

    return f


def sites(parts, model, clean, corrupt):
    layers = range(len(parts.blocks))
    _, kept = run(parts, model, clean, record=[(layer, site) for layer in layers for site in ("resid_pre", "attn_out", "mlp_out", "z")])
    found = {}
    for site in ("resid_pre", "attn_out", "mlp_out"):
        of = lambda layer, at: run(parts, model, corrupt, [(layer, site, put(kept[layer, site], rows=[at]))])[0]
        found[site] = [[targets(of(layer, at), corrupt) for at in range(len(clean))] for layer in layers]
    of = lambda layer, head: run(parts, model, corrupt, [(layer, "z", put(kept[layer, "z"], columns=parts.columns("z", head)))])[0]
    found["z"] = [[targets(of(layer, head), corrupt) for head in range(parts.heads)] for layer in layers]
    return found


def path(parts, model, texts, sender, receiver, frozen):
    (clean, corrupt), (layer, head) = texts, sender
    layers = range(len(parts.blocks))
    places = [(one, site) for one in layers for site in ("z", "mlp_out")]
    _, of_clean = run(parts, model, clean, record=places)
    _, of_corrupt = run(parts, model, corrupt, record=places)
    changes = []
    for one in layers:
        changes.append((one, "z", put(of_corrupt[one, "z"])))
        if one == layer:
            changes.append((one, "z", put(of_clean[one, "z"], columns=parts.columns("z", head))))
        if frozen:
            changes.append((one, "mlp_out", put(of_corrupt[one, "mlp_out"])))
    if receiver == "logits":
        logits, _ = run(parts, model, corrupt, changes)
        return targets(logits, corrupt)
    to_layer, to_head, site = receiver
    _, recorded = run(parts, model, corrupt, changes, record=[(to_layer, site)])
    others = lambda value: put(value, columns=parts.columns("z", to_head))(of_corrupt[to_layer, "z"])
    changes = [(to_layer, site, put(recorded[to_layer, site], columns=parts.columns(site, to_head))), (to_layer, "z", others)]
    logits, _ = run(parts, model, corrupt, changes)
    return targets(logits, corrupt)


def rounded(value):
    return [rounded(one) for one in value] if isinstance(value, list) else float(f"{value:.8g}")


made = {"right": RIGHT, "wrong": WRONG, "families": {}}
for family in ["gpt2", "gpt-neox", "llama", "gemma2", "gemma3"]:
    model = AutoModelForCausalLM.from_pretrained(HERE / f"tiny-{family}", attn_implementation="eager", dtype=torch.float64).double().eval()
    parts = Parts(family, model)
    made["families"][family] = []
    for clean, corrupt in PAIRS:
        pair = {"clean": clean, "corrupt": corrupt, "targets": [targets(run(parts, model, text)[0], text) for text in (clean, corrupt)]}
        pair |= sites(parts, model, clean, corrupt)
        pair["paths"] = []
        last = len(parts.blocks) - 1
        for receiver in ["logits", (last, 2, "q"), (last, 1, "k"), (last, 3, "v")]:
            for frozen in (False, True):
                senders = [(layer, head) for layer in range(last + (receiver == "logits")) for head in range(parts.heads)]
                values = [path(parts, model, (clean, corrupt), sender, receiver, frozen) for sender in senders]
                pair["paths"].append({"to": receiver, "frozen": frozen, "values": values})
        made["families"][family].append({key: rounded(value) if key not in ("clean", "corrupt", "paths") else value for key, value in pair.items()})
        for one in made["families"][family][-1]["paths"]:
            one["values"] = rounded(one["values"])
    print(family, made["families"][family][0]["targets"])
(HERE / "patching.json").write_text(json.dumps(made, separators=(",", ":")) + "\n")
