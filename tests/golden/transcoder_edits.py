"""Compares the program's index, prompt and steering with a cross-layer transcoder's layer, a skip transcoder and a dictionary of one head to hand-written PyTorch hooks.

Run with torch, transformers and safetensors, on the demo's model:
    python transcoder_edits.py PROGRAM REPOSITORY
It makes dictionaries of random weights in a temporary folder, stores nothing, and prints the largest deviations. `--nudge` moves one decoder entry of the reference: the
comparison then has to fail.
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
torch.manual_seed(5)
PROGRAM, ROOT = sys.argv[1], Path(sys.argv[2])
NUDGE = "--nudge" in sys.argv
DEMO = ROOT / "assets/demo"
TEXT = "The old king looked at the fox and said that he had never seen so sly a creature"
FEATURES, D, LAYERS, OWN, HEADS, MOST = 64, 256, 4, 1, 8, 10
FAILED = []


def run(*words: object) -> dict:
    done = subprocess.run([PROGRAM, *map(str, words), "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def near(what: str, got: float, want: float, by: float) -> None:
    off = abs(got - want) / max(1.0, abs(want))
    print(f"{what}: {got:.6f} {want:.6f}")
    if not off <= by:
        FAILED.append(what)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape) * 0.05


model = AutoModelForCausalLM.from_pretrained(DEMO / "model", dtype=torch.float32).eval()
blocks = model.transformer.h


def layer_of_clt(folder: Path) -> tuple[Path, dict]:
    """Layer OWN of a cross-layer transcoder in circuit-tracer's files; it reads the residual stream before the MLP."""
    folder.mkdir()
    w = {"w_enc": draw(FEATURES, D) * 4, "b_enc": draw(FEATURES), "w_dec": draw(FEATURES, LAYERS - OWN, D), "b_dec": draw(D)}
    for layer in range(LAYERS):
        own = layer == OWN
        enc = {f"W_enc_{layer}": w["w_enc"] if own else draw(FEATURES, D), f"b_enc_{layer}": w["b_enc"] if own else draw(FEATURES), f"b_dec_{layer}": w["b_dec"] if own else draw(D)}
        save_file(enc, folder / f"W_enc_{layer}.safetensors")
        save_file({f"W_dec_{layer}": w["w_dec"] if own else draw(FEATURES, LAYERS - layer, D)}, folder / f"W_dec_{layer}.safetensors")
    (folder / "config.yaml").write_text(
        "model_kind: cross_layer_transcoder\nmodel_name: demo\nfeature_input_hook: hook_resid_mid\nfeature_output_hook: hook_mlp_out\nscan: demo\n"
    )
    return folder / f"W_enc_{OWN}.safetensors", w


def skip_transcoder(folder: Path) -> tuple[Path, dict]:
    """A SAELens skip transcoder from what the MLP of block OWN reads to what it writes."""
    folder.mkdir()
    w = {"w_enc": draw(FEATURES, D) * 4, "b_enc": draw(FEATURES), "w_dec": draw(FEATURES, 1, D), "b_dec": draw(D), "w_skip": draw(D, D)}
    save_file(
        {"W_enc": w["w_enc"].T.contiguous(), "b_enc": w["b_enc"], "W_dec": w["w_dec"][:, 0].contiguous(), "b_dec": w["b_dec"], "W_skip": w["w_skip"].contiguous()},
        folder / "sae_weights.safetensors",
    )
    cfg = {
        "architecture": "skip_transcoder", "d_in": D, "d_sae": FEATURES, "d_out": D, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": False,
        "normalize_activations": "none", "reshape_activations": "none",
        "metadata": {"model_name": "demo", "hook_name": f"blocks.{OWN}.ln2.hook_normalized", "hook_name_out": f"blocks.{OWN}.hook_mlp_out", "prepend_bos": True},
    }
    (folder / "cfg.json").write_text(json.dumps(cfg))
    return folder, w


def of_one_head(folder: Path, head: int) -> tuple[Path, dict]:
    """A SAELens dictionary of one head's slice of z."""
    folder.mkdir()
    e = D // HEADS
    w = {"w_enc": draw(FEATURES, e) * 8, "b_enc": draw(FEATURES), "w_dec": draw(FEATURES, 1, e), "b_dec": draw(e), "head": head}
    save_file(
        {"W_enc": w["w_enc"].T.contiguous(), "b_enc": w["b_enc"], "W_dec": w["w_dec"][:, 0].contiguous(), "b_dec": w["b_dec"]},
        folder / "sae_weights.safetensors",
    )
    cfg = {
        "architecture": "standard", "d_in": e, "d_sae": FEATURES, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": False,
        "normalize_activations": "none", "reshape_activations": "none",
        "metadata": {"model_name": "demo", "hook_name": f"blocks.{OWN}.attn.hook_z", "hook_head_index": head, "prepend_bos": True},
    }
    (folder / "cfg.json").write_text(json.dumps(cfg))
    return folder, w


def code(w: dict, x: torch.Tensor) -> torch.Tensor:
    return torch.relu(x @ w["w_enc"].T + w["b_enc"])


def passed(ids: list[int], w: dict, kind: str, change=None) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns codes `[t, f]` of what the dictionary reads, and logits `[t, v]` with `change` of the codes in force, the error kept; position 0 is left alone."""
    kept = {}

    def step(x: torch.Tensor) -> None:
        z = code(w, x)
        kept["z"] = z
        if change is not None:
            kept["by"] = change(z.clone()) - z
            kept["by"][:, 0] = 0

    def before_ln2(module, args):
        step(args[0])

    def after_ln2(module, args, out):
        # `hook_normalized` is what the norm gives before its weight and bias.
        step((out - module.bias) / module.weight)

    def writes(at: int):
        return lambda module, args, out: out + kept["by"] @ w["w_dec"][:, at] if "by" in kept else None

    def before_projection(module, args):
        z = args[0]
        e = D // HEADS
        own = slice(w["head"] * e, (w["head"] + 1) * e)
        step(z[..., own])
        if "by" not in kept:
            return None
        z = z.clone()
        z[..., own] += kept["by"] @ w["w_dec"][:, 0]
        return (z,)

    hooks = []
    if kind == "head":
        hooks.append(blocks[OWN].attn.c_proj.register_forward_pre_hook(before_projection))
    else:
        if kind == "clt":
            hooks.append(blocks[OWN].ln_2.register_forward_pre_hook(before_ln2))
        else:
            hooks.append(blocks[OWN].ln_2.register_forward_hook(after_ln2))
        hooks += [blocks[OWN + at].mlp.register_forward_hook(writes(at)) for at in range(w["w_dec"].shape[1])]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    for hook in hooks:
        hook.remove()
    return kept["z"][0], logits


def effect(direction: torch.Tensor) -> torch.Tensor:
    """Effect on the logits of a direction of the residual stream: centred, times the final norm's weight and the unembedding, less the mean over the vocabulary."""
    read = (direction.double() - direction.double().mean()) * model.transformer.ln_f.weight.double()
    logits = model.lm_head.weight.double() @ read
    return logits - logits.mean()


def compare(kind: str, path: Path, w: dict, folder: Path) -> None:
    where = ("--model", DEMO / "model", "--sae", path)
    read = run("prompt", *where, "--text", TEXT)
    ids = [token["id"] for token in read["tokens"]]
    z, clean = passed(ids, w, kind)
    for at, token in enumerate(read["tokens"]):
        for feature in token["features"]:
            near(f"{kind} code {at} #{feature['feature']}", feature["activation"], z[at, feature["feature"]].item(), 1e-4)
        assert len(token["features"]) == min(MOST, int((z[at] > 0).sum())), (kind, at)
    active = (z[1:] > 0).float().mean(0)
    feature = int((active - 0.5).abs().argmin())
    if NUDGE:
        w["w_dec"][feature, 0, 3] += 0.5

    def raised(codes):
        codes[..., feature] += 6.0
        return codes

    def off(codes):
        codes[..., feature] = 0.0
        return codes

    for words, change in [(f"add-feature feature={feature} value=6", raised), (f"set-feature feature={feature} value=0", off), (f"add feature={feature} strength=6", raised)]:
        _, logits = passed(ids, w, kind, change)
        steered = run("steer", *where, "--prompt", TEXT, "--tokens", 1, "--edit", words)
        largest = (logits - clean)[len(ids) - 1].abs().max().item()
        before, after = [torch.log_softmax(of[len(ids) - 1].double(), -1) for of in (clean, logits)]
        kl = (after.exp() * (after - before)).sum().item()
        near(f"{kind} {words}: largest change of a logit", steered["proof"]["logits"]["largest"], largest, 2e-4)
        near(f"{kind} {words}: KL", steered["kl"], kl, 1e-4)
        for change in steered["shift"]:
            near(f"{kind} {words}: p after", change["after"], after[change["id"]].exp().item(), 1e-4)
    index = folder / f"{kind}.sqlite"
    run("index", "build", *where, "--corpus", DEMO / "text/held-out", "--tokens", "2k", "--out", index)
    shown = run("index", "show", index, "--feature", feature)
    parts = w["w_dec"][feature]
    if kind == "head":
        e = D // HEADS
        rows = slice(w["head"] * e, (w["head"] + 1) * e)
        parts = parts @ blocks[OWN].attn.c_proj.weight[rows].detach()
    together = effect(parts.sum(0))
    for name, sign in (("promoted", 1), ("suppressed", -1)):
        want = (sign * together).topk(len(shown[name]))
        for got, value in zip(shown[name], want.values):
            near(f"{kind} {name} {got['text']!r}", got["effect"], sign * value.item(), 1e-3)
    assert len(shown["written"]) == (w["w_dec"].shape[1] if w["w_dec"].shape[1] > 1 else 0)
    for at, written in enumerate(shown["written"]):
        near(f"{kind} norm in {written['hook']}", written["norm"], parts[at].norm().item(), 1e-5)
        for got, value in zip(written["promoted"], effect(parts[at]).topk(5).values):
            near(f"{kind} {written['hook']} promoted", got["effect"], value.item(), 1e-3)
        rows = torch.nn.functional.normalize(w["w_dec"][:, at].double(), dim=-1)
        cosines = rows @ rows[feature]
        cosines[feature] = -math.inf
        for got, value in zip(written["neighbours"], cosines.topk(5).values):
            near(f"{kind} {written['hook']} neighbour", got["cosine"], value.item(), 1e-5)


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    compare("clt", *layer_of_clt(folder / "clt-files"), folder)
    compare("skip", *skip_transcoder(folder / "skip-files"), folder)
    compare("head", *of_one_head(folder / "head-files", 3), folder)
print(f"{len(FAILED)} beyond tolerance", FAILED[:5])
sys.exit(bool(FAILED))
