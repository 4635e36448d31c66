"""Matched directions of small dictionaries by SciPy's assignment: `consistency.json`. Run with SciPy 1.17 and numpy."""

import json
import pathlib

import numpy
from scipy.optimize import linear_sum_assignment

rng = numpy.random.default_rng(3)
d = 6
true = rng.normal(size=(14, d))
dictionaries = []
for rows, noise in [(10, 0.1), (14, 0.4), (12, 1.5)]:
    w = (true[rng.permutation(14)[:rows]] + noise * rng.normal(size=(rows, d))) * rng.uniform(0.5, 2, size=(rows, 1))
    w[0] *= -1
    dictionaries.append(numpy.round(w, 4).astype(numpy.float32))
dictionaries[2][5] = 0  # a feature that was never trained
pairs = []
for i in range(3):
    for j in range(i + 1, 3):
        a, b = (i, j) if len(dictionaries[i]) <= len(dictionaries[j]) else (j, i)

        def unit(w):
            w = w.astype(float)
            return w / numpy.maximum(numpy.linalg.norm(w, axis=1, keepdims=True), 1e-30)

        cosines = unit(dictionaries[a]) @ unit(dictionaries[b]).T
        rows, columns = linear_sum_assignment(-numpy.abs(cosines))
        matched = cosines[rows, columns]
        sizes = numpy.abs(matched)
        pairs.append(
            {
                "a": a,
                "b": b,
                "columns": columns.tolist(),
                "pw_mcc": sizes.mean(),
                "shares": [(sizes >= least).mean() for least in (0.7, 0.9)],
                "opposed": int((matched < 0).sum()),
                "best": numpy.abs(cosines).max(1).mean(),
            }
        )
        print(pairs[-1])
out = pathlib.Path(__file__).parent / "consistency.json"
out.write_text(json.dumps({"dictionaries": [w.tolist() for w in dictionaries], "pairs": pairs}, separators=(",", ":")) + "\n")
