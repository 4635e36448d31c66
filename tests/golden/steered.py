"""Writes steered/: what SAELens makes of a token whose code was changed, with the error kept, dropped and frozen, for dictionaries of sae-lens-variants/ that
normalise each token and for one that does not.

`clean` is the token in the run without edits and `x` in the run with them. SAELens's encode keeps a token's mean and deviation (or its factor) for the
decode that follows, so that the two are called in pairs.

Run with sae-lens 6.54.12: python steered.py
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from sae_lens import SAE

torch.set_num_threads(1)
ROOT = Path(__file__).parent
NAMES = ["standard", "standard-layer_norm", "gated-layer_norm", "jumprelu-constant_norm_rescale", "jumprelu-not-applied-layer_norm"]


def changed(codes: torch.Tensor) -> torch.Tensor:
    codes = codes.clone()
    codes[:, 9] = 2.0
    codes[:, 3] *= -1.5
    codes[:, 11] -= 0.5
    return codes


def main() -> None:
    (ROOT / "steered").mkdir(exist_ok=True)
    for name in NAMES:
        folder = ROOT / "sae-lens-variants" / name
        sae = SAE.load_from_disk(folder)
        clean = load_file(folder / "io.safetensors")["x"][:6]
        # Another mean, another length, another direction.
        x = 3.0 * clean - 0.4 * clean.roll(1, 0) + 1.25
        with torch.no_grad():
            error_clean = clean - sae.decode(sae.encode(clean))
            error = x - sae.decode(sae.encode(x))
            dropped = sae.decode(changed(sae.encode(x)))
        tensors = {"clean": clean, "x": x, "dropped": dropped, "kept": dropped + error, "frozen": dropped + error_clean}
        save_file({key: value.contiguous() for key, value in tensors.items()}, ROOT / "steered" / f"{name}.safetensors")
        print(name, (tensors["frozen"] - tensors["kept"]).abs().max().item())


if __name__ == "__main__":
    main()
