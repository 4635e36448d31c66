"""Facts of `umbra index facts` counted anew by PyTorch: python facts.py MODEL SAE TEXT FACTS.json, all of one text file without --unwrap.

FACTS.json is the answer under --json. Runs the model by transformers and the TopK dictionary by its own weights, and counts on, after, before, duplicate and capital
with tensors, for the 200 features with the best naming facts. Active tokens near a tie of the k-th activation may differ by rounding, so counts may differ by 0.2 % of the active tokens plus one; it prints the
largest difference. Nothing is stored: a comparison by hand, since the counts need the whole demo.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    model_path, sae_path, text_path, facts_path = map(Path, sys.argv[1:5])
    config = json.loads((sae_path / "cfg.json").read_text())
    weights = {name: value.float() for name, value in load_file(sae_path / "sae_weights.safetensors").items()}
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32).eval()
    layer = int(config["metadata"]["hook_name"].split(".")[1])
    context, k = config["metadata"]["context_size"], config["k"]
    ids = tokenizer(text_path.read_text(), add_special_tokens=False)["input_ids"]
    bos = tokenizer.bos_token_id
    room = context - 1
    rows = torch.tensor([[bos] + ids[i : i + room] for i in range(0, len(ids) - room + 1, room)])
    facts = json.loads(facts_path.read_text())
    tokens = rows[:, 1:].numel()
    print("tokens", tokens, "facts measured on", facts["tokens"])
    f = weights["W_enc"].shape[1]
    active = torch.zeros(rows.shape[0], context, f, dtype=torch.bool)
    with torch.no_grad():
        for r in range(0, rows.shape[0], 8):
            x = model(rows[r : r + 8], output_hidden_states=True).hidden_states[layer + 1]
            if layer + 1 == model.config.num_hidden_layers:
                raise SystemExit("the last hidden state is behind the final norm")
            pre = (x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
            top = pre.topk(k, dim=-1)
            active[r : r + 8].scatter_(2, top.indices, top.values > 0)
    active[:, 0] = False
    counted = torch.ones_like(rows, dtype=torch.bool)
    counted[:, 0] = False
    texts = {int(i): tokenizer.decode([int(i)]) for i in rows.unique()}
    capital = torch.tensor([[texts[int(i)].strip()[:1].isupper() for i in row] for row in rows])
    duplicate = torch.zeros_like(counted)
    for t in range(1, context):
        duplicate[:, t] = (rows[:, :t] == rows[:, t : t + 1]).any(1)
    before = torch.full_like(rows, -1)
    before[:, 2:] = rows[:, 1:-1]
    behind = torch.full_like(rows, -1)
    behind[:, :-1] = rows[:, 1:]
    behind[:, 0] = -1
    worst, compared = 0.0, 0
    for feature in facts["features"][:200]:
        fires = active[:, :, feature["feature"]]
        for fact in feature["facts"]:
            named = torch.tensor([token["id"] for token in fact["tokens"]])
            holds = {
                "on": lambda: torch.isin(rows, named),
                "after": lambda: torch.isin(before, named),
                "before": lambda: torch.isin(behind, named),
                "duplicate": lambda: duplicate,
                "capital": lambda: capital,
            }.get(fact["kind"])
            if holds is None:
                continue
            holds = holds() & counted
            want = [int(fires.sum()), int(holds.sum()), int((holds & fires).sum())]
            got = [fact["active"], fact["holding"], fact["both"]]
            compared += 1
            for name, a, b, bound in zip(["active", "holding", "both"], got, want, [want[0], 0, want[0]]):
                if abs(a - b) > (0.002 * bound + 1 if bound else 0):
                    print("differs:", feature["feature"], fact["fact"], name, a, b)
                worst = max(worst, abs(a - b) / max(want[0], 1))
    print(f"{compared} facts compared, largest difference {worst:.5f} of the active tokens")


main()
