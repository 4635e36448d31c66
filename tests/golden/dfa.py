"""Makes dfa/: direct feature attribution by source token of SAEDashboard's own calculator, and an activation as its exporter writes it.

    python3 dfa.py FOLDER

FOLDER holds the package sae_dashboard (0.8.0 was used). Needs torch, einops, safetensors, sae-lens and transformer-lens.
"""

import json
import pathlib
import sys
from types import SimpleNamespace

sys.path.insert(0, sys.argv[1])

import torch
from sae_dashboard.dfa_calculator import DFACalculator
from sae_dashboard.neuronpedia.neuronpedia_dashboard import NeuronpediaDashboardActivation
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent
FEATURES = 5
AT = [0, 7, 19, 30, 31]

for family in ["gpt2", "llama"]:
    values = load_file(HERE / f"tiny-{family}" / "reference.safetensors")
    hooks = {f"blocks.1.attn.{name}": values[f"blocks.1.attn.{name}"] for name in ["hook_v", "hook_pattern"]}
    heads, kv_heads, d_head = hooks["blocks.1.attn.hook_pattern"].shape[1], *hooks["blocks.1.attn.hook_v"].shape[2:]
    w_enc = torch.randn(heads * d_head, FEATURES, generator=torch.Generator().manual_seed(5))
    config = SimpleNamespace(n_heads=heads, n_key_value_heads=kv_heads, d_head=d_head)
    calculator = DFACalculator(SimpleNamespace(cfg=config), SimpleNamespace(W_enc=w_enc))
    found = calculator.calculate(hooks, 1, list(range(FEATURES)), torch.tensor([AT]))
    dfa = torch.stack([torch.from_numpy(found[feature]["dfa_values"][0].copy()) for feature in range(FEATURES)])
    save_file({"w_enc": w_enc.T.contiguous(), "at": torch.tensor(AT), "dfa": dfa}, HERE / "dfa" / f"{family}.safetensors")
    print(family, dfa.shape)

activation = NeuronpediaDashboardActivation(-1, 2.5, -1, ["The", " king"], [0.0, 2.5], 1, [-0.123, 2.001], 2.001, 1)
(HERE / "dfa" / "activation.json").write_text(json.dumps(activation.to_dict(), indent=1) + "\n")
