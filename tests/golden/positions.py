"""Makes positions/sae-lens.json: sae_lens.evals on documents of twelve words, packed, with the demo's model and dictionary.

    python3 positions.py

Needs sae-lens 6.54.12, transformer-lens 3.9.0, transformers and datasets. The dictionary is the demo's resid-2.
"""

import json
import pathlib

import datasets
import torch
import transformers
from sae_lens import SAE
from sae_lens.evals import get_eval_everything_config, run_evals
from sae_lens.training.activation_scaler import ActivationScaler
from sae_lens.training.activations_store import ActivationsStore
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens import loading_from_pretrained as loading

HERE = pathlib.Path(__file__).parent
DEMO = HERE.parent.parent / "assets" / "demo"
WORDS, CONTEXT, ROWS, BATCHES = 12, 64, 8, 2


def main():
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    words = (DEMO / "text" / "held-out" / "alice.txt").read_text(encoding="utf-8").split()
    documents = [" ".join(words[i : i + WORDS]) for i in range(0, 12 * 100, WORDS)]
    (HERE / "positions" / "documents.jsonl").write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in documents), encoding="utf-8"
    )
    hf = transformers.AutoModelForCausalLM.from_pretrained(DEMO / "model", attn_implementation="eager").float()
    c = hf.config
    cfg = HookedTransformerConfig(
        d_model=c.hidden_size, n_layers=c.num_hidden_layers, n_heads=c.num_attention_heads, d_head=c.hidden_size // c.num_attention_heads,
        n_ctx=c.max_position_embeddings, d_vocab=c.vocab_size, original_architecture=c.architectures[0], device="cpu", init_weights=False,
        d_mlp=4 * c.n_embd, act_fn=c.activation_function, eps=c.layer_norm_epsilon, normalization_type="LN", positional_embedding_type="standard",
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(DEMO / "model")
    model = HookedTransformer(cfg, tokenizer=tokenizer)
    steps = dict.fromkeys(["fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases"], False)
    model.load_and_process_state_dict(loading.convert_gpt2_weights(hf, cfg), **steps)
    # In f64: rounding decides one near tie of the 32nd and 33rd feature in f32, which changes a cross-entropy by 1.5e-4.
    model.to(torch.float64)
    sae = SAE.load_from_disk(str(DEMO / "saes" / "resid-2"), device="cpu").to(torch.float64)

    def store():
        return ActivationsStore.from_sae(
            model, sae, datasets.Dataset.from_dict({"text": documents}), context_size=CONTEXT, streaming=False,
            store_batch_size_prompts=ROWS, n_batches_in_buffer=2, train_batch_size_tokens=ROWS * CONTEXT, total_tokens=1, device="cpu",
        )

    tokens = torch.cat([store_.get_batch_tokens(ROWS) for store_ in [store()] for _ in range(BATCHES)])
    out = {"context": CONTEXT, "tokens": tokens.tolist()}
    for rule, excluded in [("sae-lens", True), ("all", False)]:
        # Each store begins at the first row, so that all figures are of the same rows.
        parts = {}
        for part in ["reconstruction", "variance"]:
            one = get_eval_everything_config(batch_size_prompts=ROWS * BATCHES, n_eval_reconstruction_batches=1, n_eval_sparsity_variance_batches=1)
            one.compute_kl = one.compute_ce_loss = part == "reconstruction"
            one.compute_l2_norms = one.compute_sparsity_metrics = one.compute_variance_metrics = part == "variance"
            one.compute_featurewise_density_statistics = one.compute_variance_metrics
            one.compute_featurewise_weight_based_metrics = False
            metrics, _ = run_evals(sae, store(), model, ActivationScaler(), one, exclude_special_tokens=excluded)
            for group in metrics.values():
                parts |= group
        names = [
            "ce_loss_with_ablation", "ce_loss_with_sae", "ce_loss_without_sae", "ce_loss_score", "kl_div_with_sae", "l0", "l2_ratio",
            "explained_variance", "explained_variance_legacy", "cossim",
        ]
        out[rule] = {name: parts[name] for name in names}
    text = json.dumps(out)
    (HERE / "positions" / "sae-lens.json").write_text(text + "\n", encoding="utf-8")
    print({rule: out[rule] for rule in ["sae-lens", "all"]}, tokens.shape, (tokens == 0).sum().item(), len(text))


main()
