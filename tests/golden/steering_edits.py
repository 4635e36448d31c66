"""Writes steering-edits/NAME.safetensors: residual streams and logits of two tiny models with edits made by hand-written PyTorch hooks.

`resid_0` and `resid_last` are the residual streams after the first edited layer and after the last layer, `logits` the logits, of `tokens`, all without edits and
with each edit. Edits leave position 0 alone. A TopK dictionary of layer 0 and one of layer 1 are drawn at random and stored with the values.

Run with torch and transformers: python steering_edits.py
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
ROOT = Path(__file__).parent
FEATURES, K = 24, 4


def dictionary(d: int) -> dict[str, torch.Tensor]:
    draw = lambda *shape: torch.randn(*shape) * 0.4  # noqa: E731
    return {"w_enc": draw(FEATURES, d), "b_enc": draw(FEATURES), "w_dec": draw(FEATURES, d) * 1.7, "b_dec": draw(d)}


def encode(sae: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    pre = (x - sae["b_dec"]) @ sae["w_enc"].T + sae["b_enc"]
    top = torch.topk(pre, K, dim=-1)
    return torch.zeros_like(pre).scatter(-1, top.indices, top.values.clamp(min=0.0))


def latents(sae, change):
    """x + decode(z') − decode(z): the error is kept."""

    def edit(x):
        z = encode(sae, x)
        return x + (change(z.clone()) - z) @ sae["w_dec"]

    return edit


def put(feature, value):
    def change(z):
        z[..., feature] = value
        return z

    return change


def times(feature, by):
    def change(z):
        z[..., feature] *= by
        return z

    return change


def along(v, wanted):
    def edit(x):
        unit = v / v.norm()
        at = (x @ unit).unsqueeze(-1)
        return x + (wanted(at) - at) * unit

    return edit


def main() -> None:
    (ROOT / "steering-edits").mkdir(exist_ok=True)
    for name in ["tiny-llama", "tiny-gpt2"]:
        torch.manual_seed(20)
        model = AutoModelForCausalLM.from_pretrained(ROOT / name, dtype=torch.float32, attn_implementation="eager").eval()
        blocks = model.transformer.h if hasattr(model, "transformer") else model.model.layers
        tokens = torch.randint(0, model.config.vocab_size, (1, 9))
        d = model.config.hidden_size
        saes = [dictionary(d), dictionary(d)]

        def values(edits):
            """edits: by layer, a function of the residual stream after it."""
            kept, handles = {}, []

            def hook_of(layer):
                def hook(_module, _inputs, output):
                    whole = output[0] if isinstance(output, tuple) else output
                    if layer in edits:
                        whole = torch.cat([whole[:, :1], edits[layer](whole[:, 1:])], dim=1)
                    kept[layer] = whole
                    return (whole, *output[1:]) if isinstance(output, tuple) else whole

                return hook

            for layer, block in enumerate(blocks):
                handles.append(block.register_forward_hook(hook_of(layer)))
            with torch.no_grad():
                logits = model(tokens).logits
            for handle in handles:
                handle.remove()
            return {"resid_0": kept[0][0], "resid_last": kept[len(blocks) - 1][0], "logits": logits[0, -4:]}

        z = encode(saes[0], values({})["resid_0"][1:])
        active = int(z.sum(0).argmax())
        v = saes[0]["w_dec"][active]
        at = values({})["resid_0"][1:] @ (v / v.norm())
        middle = float(at.median())
        low, high = float(at.quantile(0.25)), float(at.quantile(0.75))
        cases = {
            "none": {},
            "set": {0: latents(saes[0], put(active, 2.5))},
            "scale": {0: latents(saes[0], times(active, -1.5))},
            "clamp": {0: along(v, lambda at: at.clamp(low, high))},
            "cap": {0: along(v, lambda at: at.clamp(max=middle))},
            "orthogonal": {0: along(v, lambda at: 3.0 * at)},
            "two": {0: latents(saes[0], put(active, 2.5)), 1: latents(saes[1], put(5, 3.0))},
        }
        tensors = {"tokens": tokens[0].to(torch.int64), "numbers": torch.tensor([float(active), low, middle, high])}
        for i, sae in enumerate(saes):
            tensors |= {f"sae_{i}.{key}": value for key, value in sae.items()}
        for case, edits in cases.items():
            tensors |= {f"{case}.{key}": value for key, value in values(edits).items()}
        save_file({key: value.contiguous() for key, value in tensors.items()}, ROOT / "steering-edits" / f"{name}.safetensors")
        moved = {case: (tensors[f"{case}.logits"] - tensors["none.logits"]).abs().max().item() for case in cases}
        print(name, tokens.shape, "feature", active, moved)


if __name__ == "__main__":
    main()
