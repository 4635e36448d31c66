"""Correlations of SAEDashboard 0.8.0 on made-up activations, for core/src/features/correlations/tests.rs.

    pip install sae-dashboard==0.8.0
    python correlations.py > correlations.json

Seven features over 48 tokens, most of them 0 as a dictionary's are, one never active and one always at the same value, and four neurons: `RollingCorrCoef` in
float64, fed in two batches, and the largest entries of decoder rows of length 1 as its table of aligned neurons has them. SAEDashboard adds 1e-6 to its denominators; the test allows for it.
"""

import json

import torch
from sae_dashboard.utils_fns import RollingCorrCoef, TopK

ROWS = 3
generator = torch.Generator().manual_seed(7)


def draw(*shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def rounded(values):
    """Values that JSON and f32 hold exactly."""
    return (values * 64).round() / 64


acts = rounded(torch.relu(draw(7, 48) + draw(1, 48) - 0.5) * 3)
acts[2] = torch.where(acts[0] > 0, rounded(acts[0] * 0.5 + 0.25), acts[2])
acts[5] = 0.0
acts[6] = 1.5
neurons = rounded(draw(4, 48) + torch.tensor([[0.0], [5.0], [-2.0], [0.5]], dtype=torch.float64))
neurons[1] = rounded(neurons[1] + acts[1])
decoder = rounded(draw(7, 4))

with_neurons = RollingCorrCoef(dtype=torch.float64)
with_features = RollingCorrCoef(indices=list(range(7)), with_self=True, dtype=torch.float64)
for batch in (slice(0, 20), slice(20, 48)):
    with_neurons.update(acts[:, batch], neurons[:, batch])
    with_features.update(acts[:, batch], acts[:, batch])
tables = {}
tables["correlated_neurons"] = with_neurons.topk_pearson(k=ROWS)
tables["correlated_features"] = with_features.topk_pearson(k=ROWS)
rows = decoder / decoder.norm(dim=1, keepdim=True)
aligned = TopK(tensor=rows, k=ROWS, largest=True)
l1 = abs(aligned.values) / rows.abs().sum(dim=-1, keepdim=True).numpy()
tables["alignment"] = [aligned.indices.tolist(), aligned.values.tolist(), l1.tolist()]


def short(values):
    return [short(value) for value in values] if isinstance(values, (list, tuple)) else round(values, 9)


tables = {name: short(table) for name, table in tables.items()}
print(json.dumps({"acts": acts.tolist(), "neurons": neurons.tolist(), "decoder": decoder.tolist(), **tables}))
