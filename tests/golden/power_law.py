"""Fits power laws with a constant by scipy and writes them for the tests of the ladder.

usage: power_law.py OUT
OUT receives laws.json: cases of widths, FVUs, and the best fit of fvu = c + a * features ** -b with c >= 0 over several starts of scipy.optimize.curve_fit.
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import curve_fit


def law(features, a, b, c):
    return c + a * features ** -b


def best(features, fvu):
    found = None
    for b in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2):
        # Factor and constant that suit the exponent, inside the bounds.
        powers = np.stack([features ** -b, np.ones_like(features)], axis=1)
        (a, c), *_ = np.linalg.lstsq(powers, fvu, rcond=None)
        try:
            at, _ = curve_fit(
                law, features, fvu, p0=(a, b, max(c, 1e-6)), bounds=([-np.inf, -np.inf, 0.0], np.inf),
                x_scale=(abs(a), b, 0.1), ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=20_000,
            )
        except RuntimeError:
            continue
        squares = float(np.sum((law(features, *at) - fvu) ** 2))
        if at[1] > 0 and (found is None or squares < found[1]):
            found = (at, squares)
    return found


def main(out):
    generator = np.random.default_rng(0)
    cases = []
    while len(cases) < 24:
        count = int(generator.choice([4, 4, 5, 7]))
        features = np.array([256.0 * 2**i for i in range(count)])
        a, b = generator.uniform(0.5, 6.0), generator.uniform(0.15, 0.9)
        c = float(generator.choice([0.0, 0.02, 0.08, 0.2]))
        fvu = law(features, a, b, c) + generator.normal(0.0, float(generator.choice([0.0, 1e-4, 2e-3])), count)
        found = best(features, fvu)
        if found is None:
            continue
        (a, b, c), squares = found
        cases.append({
            "features": [int(f) for f in features], "fvu": fvu.tolist(), "a": a, "b": b, "c": c, "squares": squares,
        })
    (out / "laws.json").write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
