"""Absorption in a small dictionary by SAEBench's own calculator, with regressions by scikit-learn: `absorption.json`.

Run as `absorption.py PATH` with SAEBench 0.6.0 checked out at PATH, scikit-learn 1.9, torch 2.15, sae-lens 6.54.12 and transformer-lens 3.9.0.
"""

import json
import pathlib
import sys

import numpy
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

sys.path.insert(0, sys.argv[1])
from sae_bench.evals.absorption.feature_absorption_calculator import FeatureAbsorptionCalculator  # noqa: E402

rng = numpy.random.default_rng(5)
d, classes, special, extra, per = 20, 3, 5, 5, 60
basis = numpy.linalg.qr(rng.normal(size=(d, d)))[0]
ideas, words_of = basis[:classes], basis[classes:]
f = classes + classes * special + extra
w_enc, w_dec, b_enc = numpy.zeros((f, d)), numpy.zeros((f, d)), numpy.zeros(f)
for c in range(classes):
    w_enc[c], w_dec[c], b_enc[c] = ideas[c], ideas[c], -0.6
    for s in range(special):
        at = classes + c * special + s
        u = words_of[(c * special + s) % len(words_of)]
        w_enc[at], b_enc[at] = u + 0.4 * ideas[c], -1.5
        # The word's own feature carries its class, fully, by a part or barely.
        w_dec[at] = u + [1.4, 0.9, 0.45, 0.3, 0.12][s] * ideas[c]
        w_enc[c] -= [2.0, 1.5, 0.6, 0.4, 0.1][s] * u
for e in range(extra):
    at = f - extra + e
    w_enc[at] = w_dec[at] = rng.normal(size=d)
    b_enc[at] = -0.5
w_dec /= numpy.linalg.norm(w_dec, axis=1, keepdims=True)
x, labels = [], []
for i in range(classes * per):
    c = i % classes
    row = ideas[c] * rng.uniform(0.8, 2.2) + rng.normal(size=d) * 0.2
    if i // classes % 2:
        row += 2.0 * words_of[(c * special + i // classes // 2 % special) % len(words_of)]
    x.append(row)
    labels.append(c)
x, w_enc, w_dec, b_enc = (numpy.round(a, 4).astype(numpy.float32) for a in (numpy.array(x), w_enc, w_dec, b_enc))
labels = numpy.array(labels)
order = rng.permutation(len(x))
train, test = order[:120], order[120:]
codes = numpy.maximum(x.astype(float) @ w_enc.T.astype(float) + b_enc, 0)


class Sae:
    device = "cpu"
    W_dec = torch.tensor(w_dec).double()

    def encode(self, acts):
        return torch.relu(acts @ torch.tensor(w_enc).double().T + torch.tensor(b_enc).double())


class Model:
    def to_tokens(self, prompt):
        return [[0, 0, 0]]

    def run_with_cache(self, prompts, names_filter):
        numbers = [int(prompt.split("\n")[-1].rstrip(":")) for prompt in prompts]
        acts = torch.tensor(x[numbers]).double()
        return None, {names_filter[0]: torch.stack([acts, acts * 0], dim=1)}


calculator = FeatureAbsorptionCalculator(
    model=Model(), icl_word_list=[], max_icl_examples=0, base_template="{word}:", answer_formatter=lambda word: word, word_token_pos=-2
)
n, out = len(train), []
for c in range(classes):
    y = labels == c
    weight = (n - y[train].sum()) / y[train].sum()
    probe = LogisticRegression(C=1 / (n * 26e-4), class_weight={0: 1, 1: weight}, solver="newton-cholesky", tol=1e-13, max_iter=1000)
    probe.fit(x[train].astype(float), y[train])
    said = probe.predict(x[test].astype(float))
    sparse = LogisticRegression(C=1 / (n * 0.01), l1_ratio=1, class_weight={0: 1, 1: weight}, solver="saga", tol=1e-9, max_iter=2_000_000)
    sparse.fit(codes[train], y[train])
    ranked = [int(i) for i in numpy.argsort(-sparse.coef_[0], kind="stable") if sparse.coef_[0][i] > 0][:10]
    best, f1s, main = -100, [], []
    for k in range(1, len(ranked) + 1):
        few = LogisticRegression(class_weight="balanced", solver="newton-cholesky", tol=1e-13, max_iter=1000).fit(codes[train][:, ranked[:k]], y[train])
        f1s.append(f1_score(y[test], few.predict(codes[test][:, ranked[:k]])))
        if f1s[-1] <= best + 0.03:
            break
        best, main = f1s[-1], ranked[:k]
    scores = probe.decision_function(x[test].astype(float))
    positives = [int(i) for i, score in zip(test, scores) if labels[i] == c and score > 0]
    direction = torch.tensor(probe.coef_[0])
    found = calculator.calculate_absorption(Sae(), [str(i) for i in positives], direction, main, layer=0, show_progress=False)
    words = [
        {
            "word": int(one.word),
            "fraction": float(one.absorption_fraction),
            "full": bool(one.is_full_absorption),
            "top": one.top_projection_feature_scores[0].feature_id,
        }
        for one in found.word_results
    ]
    out.append(
        {
            "weights": probe.coef_[0].tolist(),
            "bias": float(probe.intercept_[0]),
            "accuracy": accuracy_score(y[test], said),
            "precision": precision_score(y[test], said),
            "recall": recall_score(y[test], said),
            "f1": f1_score(y[test], said),
            "sparse": sparse.coef_[0].tolist(),
            "ranked": ranked,
            "main": main,
            "main_f1": best,
            "words": words,
        }
    )
    print(c, out[-1]["f1"], main, [round(v, 3) for v in f1s], len(words), sum(w["full"] for w in words), sum(w["fraction"] for w in words))
    print([round(w["fraction"], 2) for w in words])
path = pathlib.Path(__file__).parent / "absorption.json"
data = {"x": x.tolist(), "labels": labels.tolist(), "train": train.tolist(), "test": test.tolist()}
data |= {"w_enc": w_enc.tolist(), "b_enc": b_enc.tolist(), "w_dec": w_dec.tolist(), "classes": out}
trimmed = json.loads(json.dumps(data), parse_float=lambda s: round(float(s), 10))
path.write_text(json.dumps(trimmed, separators=(",", ":")) + "\n")
