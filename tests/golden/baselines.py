"""Writes baselines.json: what scikit-learn and NumPy make of made-up activations (float64), for the baselines of `core/src/baselines`.

Needs numpy 2, scikit-learn 1.9. Run from this folder: `python baselines.py`.
"""

import json
import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, DictionaryLearning, FastICA, NMF, non_negative_factorization

warnings.filterwarnings("ignore")  # lasso steps of dictionary learning that stop early
rng = np.random.default_rng(11)
N, D = 240, 6


def rounded(values):
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def flat(values, digits=8):
    return [float(f"{v:.{digits}g}") for v in np.asarray(values).ravel()]


# Heavy-tailed, skewed sources through a mixing, with a mean far from 0.
sources = rng.exponential(size=(N, D)) ** 1.5 * rng.choice([-1.0, 1.0], size=(N, D), p=[0.2, 0.8])
x = rounded(sources @ rng.normal(size=(D, D)) + rng.normal(size=D) * 5)
mean = x.mean(axis=0)
centred = x - mean

pca = PCA(n_components=3).fit(x)

start = rng.normal(size=(4, 4))
ica = FastICA(n_components=4, whiten="unit-variance", whiten_solver="eigh", fun="logcosh", tol=1e-4, max_iter=500, w_init=start).fit(x)

# Both halves of the activation less its mean.
halves = np.hstack([np.maximum(centred, 0), np.maximum(-centred, 0)])
w_start = np.abs(rng.normal(size=(N, 4)))
parts = np.abs(rng.normal(size=(4, 2 * D)))
w, h, rounds = non_negative_factorization(
    halves, W=w_start.copy(), H=parts.copy(), n_components=4, init="custom", solver="mu", max_iter=60, tol=0.0
)
best_nmf = min(
    NMF(4, init="random", solver="mu", max_iter=2000, tol=1e-6, random_state=s).fit(halves).reconstruction_err_ ** 2 / (halves**2).sum()
    for s in range(3)
)

begin = centred[:5].copy()
k_means = KMeans(5, init=begin, n_init=1, tol=1e-4, max_iter=100).fit(centred)

# Sparse combinations of planted atoms.
atoms = rng.normal(size=(8, D))
atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
planted = np.zeros((N, 8))
for row in planted:
    row[rng.choice(8, 2, replace=False)] = rng.uniform(1, 3, size=2)
sparse = rounded(planted @ atoms + 0.02 * rng.normal(size=(N, D)))
learnt = DictionaryLearning(
    8, alpha=0.1, max_iter=300, fit_algorithm="cd", transform_algorithm="omp", transform_n_nonzero_coefs=3, random_state=0
).fit(sparse)


def pursued(x, atoms, k):
    """Share of the squares that k rounds of matching pursuit with positive products leave."""
    left = 0.0
    for token in x:
        rest = token.copy()
        for _ in range(k):
            products = atoms @ rest
            best = products.argmax()
            if products[best] <= 0:
                break
            rest -= products[best] * atoms[best]
        left += rest @ rest
    return left / (x**2).sum()


codes = learnt.transform(sparse)
turned = learnt.components_ * np.where(codes.sum(axis=0) < 0, -1.0, 1.0)[:, None]
turned /= np.linalg.norm(turned, axis=1, keepdims=True)
lefts = {"scikit_learn": pursued(sparse, turned, 3), "planted": pursued(sparse, atoms, 3)}

# Two sets that share three directions.
shared = rng.normal(size=(N, 3))
a = rounded(np.hstack([shared + 0.5 * rng.normal(size=(N, 3)), rng.normal(size=(N, 2))]) @ rng.normal(size=(5, 5)) + 3)
b = rounded(np.hstack([shared + 0.8 * rng.normal(size=(N, 3)), rng.normal(size=(N, 1))]) @ rng.normal(size=(4, 4)) - 7)
fit, rest = slice(0, 160), slice(160, N)


def canonical(a, b, a_rest, b_rest, ridge=0.0):
    """Björck and Golub's definition on standardised values, by QR where there is no ridge and by symmetric roots otherwise."""
    mean_a, mean_b, std_a, std_b = a.mean(0), b.mean(0), a.std(0), b.std(0)
    za, zb = (a - mean_a) / std_a, (b - mean_b) / std_b
    n = len(a)
    if ridge == 0.0:
        qa, ra = np.linalg.qr(za)
        qb, rb = np.linalg.qr(zb)
        u, _, vt = np.linalg.svd(qa.T @ qb, full_matrices=False)
        da, db = np.linalg.solve(ra, u), np.linalg.solve(rb, vt.T)
    else:

        def root(c):
            values, vectors = np.linalg.eigh(c)
            return vectors @ np.diag(values**-0.5) @ vectors.T

        wa = root(za.T @ za / n + ridge * np.eye(za.shape[1]))
        wb = root(zb.T @ zb / n + ridge * np.eye(zb.shape[1]))
        u, _, vt = np.linalg.svd(wa @ (za.T @ zb / n) @ wb, full_matrices=False)
        da, db = wa @ u, wb @ vt.T

    def correlations(a, b):
        pa, pb = ((a - mean_a) / std_a) @ da, ((b - mean_b) / std_b) @ db
        return [np.corrcoef(pa[:, c], pb[:, c])[0, 1] for c in range(da.shape[1])]

    return {"fitted": correlations(a, b), "held_out": correlations(a_rest, b_rest)}


out = {
    "n": N,
    "d": D,
    "x": flat(x, 9),
    "pca": {"components": flat(pca.components_), "variance": flat(pca.explained_variance_ * (N - 1) / N), "left": 1 - float(pca.explained_variance_ratio_.sum())},
    "ica": {"start": flat(start), "components": flat(ica.components_), "mixing": flat(ica.mixing_), "rounds": ica.n_iter_},
    "nmf": {"codes": flat(w_start), "parts": flat(parts), "rounds": rounds, "w": flat(w), "h": flat(h), "best_left": best_nmf},
    "k_means": {"centroids": flat(k_means.cluster_centers_), "labels": [int(v) for v in k_means.labels_], "inertia": float(k_means.inertia_)},
    "sparse": {"x": flat(sparse, 9), "atoms": flat(atoms), "left": {key: float(value) for key, value in lefts.items()}},
    "canonical": {
        "a": flat(a, 9),
        "b": flat(b, 9),
        "fit": 160,
        "plain": canonical(a[fit], b[fit], a[rest], b[rest]),
        "ridge": {"by": 0.5, **canonical(a[fit], b[fit], a[rest], b[rest], 0.5)},
    },
}
with open("baselines.json", "w") as file:
    json.dump(out, file)
print(best_nmf, lefts, k_means.inertia_, k_means.n_iter_, ica.n_iter_, out["canonical"]["plain"], out["canonical"]["ridge"])
