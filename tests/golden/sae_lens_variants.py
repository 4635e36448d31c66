"""Writes sae-lens-variants/: one tiny dictionary of each architecture by SAELens itself, and of some with tokens brought to norm or b_dec not subtracted, with
its codes and reconstructions (of transcoders: what they write) of the same input.

Run with sae-lens 6.54.12: python sae_lens_variants.py
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from sae_lens import SAE

D, F, N = 8, 24, 16
D_OUT = 6
TRANSCODERS = ["transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder"]
TEMPORAL = {
    "n_heads": 2,
    "n_attn_layers": 1,
    "bottleneck_factor": 3,
    "sae_diff_type": "topk",
    "kval_topk": 4,
    "tied_weights": True,
    "activation_normalization_factor": 0.5,
}
# Folder, architecture, and what is otherwise in its configuration.
CASES = [
    *[(name, name, {}) for name in ["standard", "abstopk", "jumprelu", "gated", *TRANSCODERS]],
    ("standard-layer_norm", "standard", {"normalize_activations": "layer_norm"}),
    ("gated-layer_norm", "gated", {"normalize_activations": "layer_norm"}),
    ("jumprelu-constant_norm_rescale", "jumprelu", {"normalize_activations": "constant_norm_rescale"}),
    ("gated-not-applied", "gated", {"apply_b_dec_to_input": False}),
    ("temporal", "temporal", TEMPORAL),
    (
        "temporal-untied",
        "temporal",
        TEMPORAL | {"tied_weights": False, "sae_diff_type": "relu", "n_attn_layers": 2, "normalize_activations": "constant_scalar_rescale"},
    ),
    ("jumprelu-not-applied-layer_norm", "jumprelu", {"apply_b_dec_to_input": False, "normalize_activations": "layer_norm"}),
]
ROOT = Path(__file__).parent / "sae-lens-variants"


def main() -> None:
    torch.manual_seed(0)
    x = 2 * torch.randn(N, D)
    for name, architecture, otherwise in CASES:
        cfg = {
            "architecture": architecture,
            "d_in": D,
            "d_sae": F,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": True,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "metadata": {
                "sae_lens_version": "6.54.12",
                "hook_name": "blocks.1.hook_resid_post",
                "model_name": "tiny",
                "prepend_bos": False,
                "context_size": 32,
            },
        }
        if "topk" in architecture:
            cfg |= {"k": 3, "rescale_acts_by_decoder_norm": False}
        if architecture in TRANSCODERS:
            cfg |= {"d_out": D_OUT, "apply_b_dec_to_input": False}
            cfg["metadata"] |= {"hook_name": "blocks.1.mlp.hook_in", "hook_name_out": "blocks.1.hook_mlp_out"}
        sae = SAE.from_dict(cfg | otherwise)
        with torch.no_grad():
            for key, parameter in sae.named_parameters():
                values = torch.randn_like(parameter)
                parameter.copy_(values.abs() if key == "threshold" else 0.5 * values)
        folder = ROOT / name
        sae.save_model(folder)
        with torch.no_grad():
            if architecture == "temporal":
                # One text; its decoder alone would leave out what is predicted.
                codes, recon = sae.encode(x[None])[0], sae(x[None])[0]
            else:
                codes = sae.encode(x)
                recon = sae(x) if architecture in TRANSCODERS else sae.decode(codes)
        codes = codes.to_dense() if codes.is_sparse else codes
        tensors = {"x": x, "codes": codes.contiguous(), "recon": recon.contiguous()}
        save_file(tensors, folder / "io.safetensors")
        print(name, json.loads((folder / "cfg.json").read_text()).keys(), (codes != 0).sum(1).float().mean())


if __name__ == "__main__":
    main()
