"""Makes the folders tiny-* of the full references: the first row of tokens; logits, loss, what lies outside blocks and everything of one block.

    python3 slim.py SOURCE-FOLDER-OF-TINY-MODELS

Needs numpy and safetensors. loss_sum is computed from the logits of the row that stays, the rest is copied.
"""

import pathlib
import shutil
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

# The block that stays; Gemma 3's sixth is its only one without a window, its second has one.
BLOCKS = {"gemma3": (1, 5)}


def stays(name, blocks):
    if "blocks." not in name:
        return True
    return int(name.split("blocks.")[1].split(".")[0]) in blocks


def loss_sum(logits, tokens):
    logits = logits[:, :-1].astype(np.float64)
    largest = logits.max(-1)
    total = np.log(np.exp(logits - largest[..., None]).sum(-1)) + largest
    right = np.take_along_axis(logits, tokens[:, 1:, None], -1)[..., 0]
    return np.array([(total - right).sum()], np.float32)


source = pathlib.Path(sys.argv[1])
here = pathlib.Path(__file__).parent
for folder in sorted(path for path in source.iterdir() if path.is_dir()):
    into = here / f"tiny-{folder.name}"
    into.mkdir(exist_ok=True)
    for name in ["config.json", "config-v4.json", "model.safetensors"]:
        shutil.copyfile(folder / name, into / name)
    reference = load_file(folder / "reference.safetensors")
    blocks = BLOCKS.get(folder.name, (1,))
    kept = {name: np.ascontiguousarray(value[:1]) for name, value in reference.items() if stays(name, blocks)}
    kept["loss_sum"] = loss_sum(kept["logits"], kept["tokens"])
    save_file(kept, into / "reference.safetensors")
    print(into.name, len(kept), (into / "reference.safetensors").stat().st_size)
