"""Figures of features on two sets of texts, and logistic regressions, as SciPy makes them: `separate.json`.

Run with SciPy 1.x. Activations are rounded to 2 places so that ties occur and the file stays small.
"""

import json
import pathlib

import numpy
from scipy.optimize import minimize
from scipy.stats import mannwhitneyu, pearsonr

rng = numpy.random.default_rng(21)
n, f = (11, 14), 5
sets = []
for s, count in enumerate(n):
    acts = numpy.maximum(rng.normal(size=(count, f)) + [0.8 * (s == 0), 0.5 * (s == 1), 0, 0.2, -0.6], 0)
    acts[:, 3] *= rng.choice([-1, 1], size=count)  # signed
    sets.append(numpy.round(acts, 2))
a, b = sets
both = numpy.concatenate(sets)
first = numpy.array([1.0] * n[0] + [0.0] * n[1])
features = []
for i in range(f):
    u = mannwhitneyu(a[:, i], b[:, i]).statistic
    features.append(
        {
            "means": [a[:, i].mean(), b[:, i].mean()],
            "auc": u / (n[0] * n[1]),
            "correlation": pearsonr(both[:, i], first).statistic,
        }
    )
order = sorted(range(f), key=lambda i: -abs(features[i]["correlation"]))
probes = []
for size, penalty in [(1, 1.0), (3, 1.0), (3, 0.05), (5, 10.0)]:
    chosen = sorted(order[:size])
    x = both[:, chosen]
    x = (x - x.mean(0)) / x.std(0)
    y = 2 * first - 1

    def loss(at):
        s = x @ at[:-1] + at[-1]
        return numpy.logaddexp(0, -y * s).sum() + penalty / 2 * (at[:-1] ** 2).sum()

    def slope(at):
        s = x @ at[:-1] + at[-1]
        by_score = -y / (1 + numpy.exp(y * s))
        return numpy.append(x.T @ by_score + penalty * at[:-1], by_score.sum())

    at = minimize(loss, numpy.zeros(size + 1), jac=slope, method="BFGS", options={"gtol": 1e-10, "maxiter": 10000}).x
    right = ((x @ at[:-1] + at[-1] > 0) == (first > 0)).mean()
    probes.append({"size": size, "penalty": penalty, "features": chosen, "standardised": at[:-1].tolist(), "accuracy": right})
out = pathlib.Path(__file__).parent / "separate.json"
out.write_text(json.dumps({"a": a.tolist(), "b": b.tolist(), "features": features, "probes": probes}, separators=(",", ":")) + "\n")
