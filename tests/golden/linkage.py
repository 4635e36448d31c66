"""Clusters by average linkage as SciPy makes them: `linkage/average.json`.

Run with SciPy 1.x; the distances are rounded to 4 places so that the file stays small, and no mean of distances lies on a cut.
"""

import json
import pathlib

import numpy
from scipy.cluster.hierarchy import fcluster, linkage

rng = numpy.random.default_rng(5)
cases = []
for case in range(12):
    n = int(rng.integers(3, 11))
    centres = rng.normal(size=(3, 5))
    points = centres[rng.integers(0, 3, size=n)] + (0.2 + 0.1 * case) * rng.normal(size=(n, 5))
    points /= numpy.linalg.norm(points, axis=1, keepdims=True)
    upper = numpy.triu_indices(n, 1)
    condensed = numpy.round((1 - points @ points.T)[upper], 4)
    tree = linkage(condensed, "average")
    cuts = [0.2037, 0.5037, 0.8037]
    labels = {str(cut): fcluster(tree, cut, "distance").tolist() for cut in cuts}
    cases.append({"n": n, "condensed": condensed.tolist(), "labels": labels})
out = pathlib.Path(__file__).parent / "linkage" / "average.json"
out.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
