"""Losses of the over-splitting toy's two dictionaries on a few rows, by torch in float64: `toys.json`.

The loss at lambda is mean ||x - x_hat||^2 + lambda * mean sum(activations); decoder rows have length 1 and there is no decoder bias.
Also the best F1 score of every value of an attribute for made-up codes, by scikit-learn. Run with torch 2.x and scikit-learn 1.x.
"""

import json
import pathlib

import numpy
import torch
from sklearn.metrics import f1_score

rng = numpy.random.default_rng(7)
d, n, f = 12, 9, 20
mu = rng.normal(size=d)
mu = numpy.round(2 * mu / numpy.linalg.norm(mu), 3)


def mixture(count):
    sign = rng.choice([-1.0, 1.0], size=count)
    return numpy.round(sign[:, None] * mu + rng.normal(size=(count, d)), 3)


x, rows = mixture(n), mixture(f)
tx, trows, tmu = (torch.tensor(a, dtype=torch.float64) for a in (x, rows, mu))


def losses(encoder, bias, decoder):
    codes = torch.relu(torch.nn.functional.linear(tx, encoder, torch.full((len(encoder),), bias, dtype=torch.float64)))
    error = torch.nn.functional.mse_loss(codes @ decoder, tx, reduction="sum") / n
    return {"bias": bias, "squared": error.item(), "l1": codes.sum().item() / n, "l0": (codes > 0).sum().item() / n}


unit = torch.nn.functional.normalize(tmu, dim=0)
both = torch.stack([unit, -unit])
ideal = [losses(both, bias, both) for bias in (0.0, -0.7, -1.5)]
directions = torch.nn.functional.normalize(trows, dim=1)
random = [{"beta": beta} | losses(beta * trows, bias, directions) for beta, bias in ((0.3, -0.9), (0.2, -1.0), (0.0, -2.35))]

values = rng.integers(0, 4, size=40)
acts = numpy.round(numpy.maximum(rng.normal(size=(40, 7)) - 0.3 + 1.6 * (values[:, None] == numpy.arange(7) % 5), 0), 2)
scores = [[f1_score(values == v, acts[:, j] > 0, zero_division=0.0) for j in range(7)] for v in range(4)]
best = [{"feature": int(numpy.argmax(s)), "f1": max(s)} for s in scores]

out = {
    "mu": mu.tolist(),
    "x": x.tolist(),
    "rows": rows.tolist(),
    "ideal": ideal,
    "random": random,
    "values": values.tolist(),
    "acts": acts.tolist(),
    "best": best,
}
pathlib.Path(__file__).with_name("toys.json").write_text(json.dumps(out) + "\n")
