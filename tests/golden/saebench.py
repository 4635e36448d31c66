"""Writes saebench.json: sparse probing, SCR and TPP on made-up texts by SAEBench's own functions.

pip install sae-bench==0.6.0; run it anywhere. Texts are activations of a few tokens with padding; the dictionary is a ReLU with random weights. SAEBench's functions
get the same sets of texts throughout (it draws the others anew for each comparison), and probes that scikit-learn minimises to their end (it stops AdamW early).
"""

import json
import pathlib
import types

import numpy as np
import torch
from sae_bench.evals.scr_and_tpp import main as scr_and_tpp
from sae_bench.evals.sparse_probing import probe_training
from sae_bench.sae_bench_utils import activation_collection
from sklearn.linear_model import LogisticRegression

N, L, D, F, CLASSES = 160, 5, 6, 20, 3
SIZES, ABLATED = [1, 2, 5], [2, 5]
SEED = 2  # One whose scores are all far enough from 0 for f32.
rng = np.random.default_rng(SEED)
torch.manual_seed(SEED)

labels = np.arange(N) % CLASSES
pairs = np.stack([(np.arange(N) // 2) % 2, np.arange(N) % 2], axis=1)
# A token is a direction of its class, others of both attributes, and noise.
of_class, of_first, of_second = (rng.normal(size=(k, D)) for k in (CLASSES, 2, 2))
acts = rng.normal(size=(N, L, D)) * 1.5 + of_class[labels][:, None] * 0.8
acts += 1.2 * of_first[pairs[:, 0]][:, None] + 0.7 * of_second[pairs[:, 1]][:, None]
for text in range(N):  # padding, which SAEBench zeroes
    acts[text, L - text % 3 :] = 0.0
acts = torch.tensor(acts, dtype=torch.float32)

w_enc = torch.tensor(rng.normal(size=(D, F)), dtype=torch.float32)
b_enc = torch.tensor(-np.abs(rng.normal(size=F)), dtype=torch.float32)
w_dec = torch.tensor(rng.normal(size=(F, D)) / 2, dtype=torch.float32)
b_dec = torch.tensor(rng.normal(size=D) / 4, dtype=torch.float32)
sae = types.SimpleNamespace(
    W_dec=types.SimpleNamespace(data=w_dec, shape=w_dec.shape),
    dtype=torch.float32,
    encode=lambda x: torch.relu(x @ w_enc + b_enc),
    decode=lambda f: f @ w_dec + b_dec,
)

x = activation_collection.create_meaned_model_activations({"all": acts})["all"]
features = activation_collection.get_sae_meaned_activations({"all": acts}, sae, 32)["all"]

split = rng.permutation(N)
test, train = np.sort(split[: N // 3]), np.sort(split[N // 3 :])


def balanced(is_of, texts):
    of, others = (texts[is_of[texts] == side] for side in (True, False))
    each = min(len(of), len(others))
    others = others[rng.permutation(len(others))[:each]]
    return [int(t) for t in of[:each]] + [int(t) for t in others]


def probe(texts):
    """Minimum of the mean logistic loss + 0.001 |w|, as SAEBench's probe with scikit-learn's solver."""
    y = np.array([1] * (len(texts) // 2) + [0] * (len(texts) // 2))
    fit = LogisticRegression(l1_ratio=1.0, solver="saga", C=1 / (1e-3 * len(y)), tol=1e-12, max_iter=1_000_000)
    fit.fit(x[texts].double().numpy(), y)
    made = probe_training.Probe(D, torch.float32)
    made.net.weight.data = torch.tensor(fit.coef_, dtype=torch.float32)
    made.net.bias.data = torch.tensor(fit.intercept_, dtype=torch.float32)
    return made, fit


def half(texts):
    return torch.tensor([1] * (len(texts) // 2) + [0] * (len(texts) // 2), dtype=torch.int)


def sparse_probing(values, train_set, test_set):
    found = []
    for k in SIZES:
        y, z = half(train_set), half(test_set)
        mask = probe_training.get_top_k_mean_diff_mask(values[train_set], y, k)
        a = probe_training.apply_topk_mask_reduce_dim(values[train_set], mask)
        b = probe_training.apply_topk_mask_reduce_dim(values[test_set], mask)
        fit, accuracy = probe_training.train_sklearn_probe(a, y, b, z)
        margin = np.abs(fit.decision_function(b.numpy())).min()
        assert margin > 1e-3, margin
        columns = torch.nonzero(~mask).flatten().tolist()
        found.append({"size": k, "columns": columns, "accuracy": accuracy})
    return found


def accuracy(made, values, test_set):
    scores = made(values[test_set]).detach()
    assert scores.abs().min() > 1e-4
    return probe_training.test_probe_gpu(values[test_set], half(test_set), 500, made)


def effects(made, train_set, perform_scr):
    given = lambda *_: (acts[train_set], half(train_set))
    kept = probe_training.prepare_probe_data
    probe_training.prepare_probe_data = given
    try:
        found = scr_and_tpp.get_effects_per_class_precomputed_acts(sae, made, "any", {}, perform_scr, 16)
    finally:
        probe_training.prepare_probe_data = kept
    return found.detach()


def ablated(effect, n):
    # SAEBench takes the n largest of all whose effect is not 0; no negative one may be among them here.
    positive = int((effect > 0).sum())
    mask = scr_and_tpp.select_top_n_features(effect, min(n, positive), "any")
    # Padding adds what the features of an empty token write; the tokens that are read alone:
    modified = torch.zeros(N, D)
    for text in range(N):
        tokens = acts[text : text + 1, : L - text % 3]
        modified[text] = scr_and_tpp.ablated_precomputed_activations(tokens, sae, mask, 1)[0]
    return modified.detach(), torch.nonzero(mask).flatten().tolist()


classes = []
probes = []
for c in range(CLASSES):
    sets = [balanced(labels == c, texts) for texts in (train, test)]
    made, fit = probe(sets[0])
    probes.append(made)
    classes.append(
        {
            "train": sets[0],
            "test": sets[1],
            "model": sparse_probing(x, *sets),
            "dictionary": sparse_probing(features, *sets),
            "weights": fit.coef_[0].tolist(),
            "bias": float(fit.intercept_[0]),
            "effects": effects(made, sets[0], False).tolist(),
        }
    )

clean = {str(c): accuracy(probes[c], x, classes[c]["test"]) for c in range(CLASSES)}
perturbed = {}
for c in range(CLASSES):
    perturbed[str(c)] = {}
    for n in ABLATED:
        modified, _ = ablated(torch.tensor(classes[c]["effects"]), n)
        each = {str(o): accuracy(probes[o], modified, classes[o]["test"]) for o in range(CLASSES)}
        perturbed[str(c)][n] = each
tpp, _ = scr_and_tpp.create_tpp_plotting_dict(perturbed, clean)


def pair_sets(texts):
    of = lambda a, b: [int(t) for t in texts if tuple(pairs[t]) == (a, b)]
    both, first, second, none = of(0, 0), of(0, 1), of(1, 0), of(1, 1)
    m = min(len(first), len(second), len(both) // 2, len(none) // 2)
    return {
        "professor / nurse": both[:m] + first[:m] + second[:m] + none[:m],
        "male / female": both[:m] + second[:m] + first[:m] + none[:m],
        "male_professor / female_nurse": both[: 2 * m] + none[: 2 * m],
    }


scr_train, scr_test = pair_sets(train), pair_sets(test)
scr_probes = {name: probe(texts)[0] for name, texts in scr_train.items()}
BIASED = "male_professor / female_nurse"


def scr_accuracies(values):
    found = {name: accuracy(scr_probes[name], values, scr_test[name]) for name in scr_test}
    for name in ("professor / nurse", "male / female"):
        found[f"{BIASED} probe on {name} data"] = accuracy(scr_probes[BIASED], values, scr_test[name])
    return found


scr_clean, scr_changed = scr_accuracies(x), {}
for name in ("professor / nurse", "male / female"):
    effect = effects(scr_probes[name], scr_train[name], True)
    scr_changed[name] = {n: scr_accuracies(ablated(effect, n)[0]) for n in ABLATED}
scr = scr_and_tpp.get_scr_plotting_dict(scr_changed, scr_clean)

assert any("metric" in key for key in scr) and len(set(tpp.values())) == len(tpp)

out = {
    "x": x.tolist(),
    "features": features.tolist(),
    "w_dec": w_dec.tolist(),
    "labels": labels.tolist(),
    "pairs": pairs.tolist(),
    "train": train.tolist(),
    "test": test.tolist(),
    "ablated": ABLATED,
    "classes": classes,
    "clean": [clean[str(c)] for c in range(CLASSES)],
    "tpp": tpp,
    "scr": scr,
}
path = pathlib.Path(__file__).with_name("saebench.json")
path.write_text(json.dumps(out) + "\n")
print({key: round(value, 4) for key, value in {**tpp, **scr}.items()}, clean, scr_clean)
