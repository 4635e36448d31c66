"""Writes sae-lens-variants/: one tiny dictionary of each architecture by SAELens itself, with its codes and reconstructions (of transcoders: what they write)
of the same input.

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
ROOT = Path(__file__).parent / "sae-lens-variants"


def main() -> None:
    torch.manual_seed(0)
    x = 2 * torch.randn(N, D)
    for architecture in ["standard", "abstopk", "jumprelu", "gated", *TRANSCODERS]:
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
        sae = SAE.from_dict(cfg)
        with torch.no_grad():
            for name, parameter in sae.named_parameters():
                values = torch.randn_like(parameter)
                parameter.copy_(values.abs() if name == "threshold" else 0.5 * values)
        folder = ROOT / architecture
        sae.save_model(folder)
        with torch.no_grad():
            codes = sae.encode(x)
            recon = sae(x) if architecture in TRANSCODERS else sae.decode(codes)
        codes = codes.to_dense() if codes.is_sparse else codes
        tensors = {"x": x, "codes": codes.contiguous(), "recon": recon.contiguous()}
        save_file(tensors, folder / "io.safetensors")
        print(architecture, json.loads((folder / "cfg.json").read_text()).keys(), (codes != 0).sum(1).float().mean())


if __name__ == "__main__":
    main()
