"""Reads what `umbra index export --to neuronpedia` wrote with SAEDashboard 0.8.0's own classes, and compares what they write again.

    pip install sae-dashboard==0.8.0
    umbra index export INDEX --to neuronpedia --out FOLDER
    python dashboard.py FOLDER
"""

import json
import pathlib
import sys

from sae_dashboard.neuronpedia.neuronpedia_dashboard import NeuronpediaDashboardBatch

TABLES = [
    ("neuron_alignment", "values", "l1"),
    ("correlated_neurons", "pearson", "l1"),
    ("correlated_features", "pearson", "l1"),
]

features = filled = attributed = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("batch-*.json")):
    written = json.loads(path.read_text())
    again = NeuronpediaDashboardBatch(**written).to_dict()
    assert again == written, f"{path}: SAEDashboard writes it differently"
    for feature in written["features"]:
        features += 1
        for name, *columns in TABLES:
            many = {len(feature[f"{name}_{column}"]) for column in ["indices", *columns]}
            assert len(many) == 1, f"{path}: columns of {name} differ in length"
            filled += many != {0}
        assert len(feature["pos_str"]) == len(feature["pos_values"]) <= 10
        assert len(feature["neg_str"]) == len(feature["neg_values"]) <= 10
        for activation in feature["activations"]:
            assert len(activation["tokens"]) == len(activation["values"])
            assert 0 <= activation["qualifying_token_index"] < len(activation["tokens"])
            attributed += bool(activation.get("dfa_values"))
print(f"{features} features, {filled} filled tables, {attributed} activations with attribution: SAEDashboard writes them alike")
