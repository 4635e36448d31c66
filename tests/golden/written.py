"""Opens what `umbra sae convert` wrote with the library that it was written for and holds codes and reconstructions beside those of `umbra sae encode`.

Run with sae-lens 6.54.12, sparsify 1.3.3 and dictionary_learning 0.1.0:
    python written.py LIBRARY FOLDER ACTS.safetensors KEY ENCODED.safetensors
where LIBRARY is sae-lens, sparsify or dictionary-learning and ENCODED is what `umbra sae encode --sae FOLDER` wrote.
"""

import sys

import torch
from safetensors.torch import load_file


def sae_lens(folder: str, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    from sae_lens import SAE

    sae = SAE.load_from_disk(folder)
    codes = sae.encode(x)
    codes = codes.to_dense() if codes.is_sparse else codes
    return codes, sae.decode(codes)


def sparsify(folder: str, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    from sparsify import SparseCoder

    coder = SparseCoder.load_from_disk(folder)
    encoded = coder.encode(x)
    codes = torch.zeros(len(x), coder.num_latents)
    codes.scatter_(1, encoded.top_indices, encoded.top_acts)
    # The library's own decoder needs a GPU's kernel for speed; this is its eager form.
    return codes, codes @ coder.W_dec + coder.b_dec


def dictionary_learning(folder: str, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    from dictionary_learning.utils import load_dictionary

    # Only tensors: nothing else is allowed to be in it.
    torch.load(f"{folder}/ae.pt", weights_only=True)
    dictionary, _ = load_dictionary(folder, device="cpu")
    codes = dictionary.encode(x)
    codes = codes[0] if isinstance(codes, tuple) else codes
    return codes, dictionary.decode(codes)


def main() -> None:
    library, folder, acts, key, encoded = sys.argv[1:]
    x = load_file(acts)[key].float()
    ours = load_file(encoded)
    x = x.reshape(len(ours["codes"]), -1)
    with torch.no_grad():
        theirs = {"sae-lens": sae_lens, "sparsify": sparsify, "dictionary-learning": dictionary_learning}[library](folder, x)
    for name, got, want in zip(["codes", "recon"], [ours["codes"], ours["recon"]], theirs):
        off = (got - want).abs().max() / want.abs().max()
        print(f"{library} {name}: {off:.1e} of the largest entry, active pairs that differ {((got != 0) != (want != 0)).sum()}")


if __name__ == "__main__":
    main()
