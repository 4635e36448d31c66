"""Writes saebench-core.json: the core metrics of SAEBench's own functions on the rows of positions/sae-lens.json, with the demo's model and dictionary in f64.

pip install sae-bench==0.6.0 beside sae-lens 6.54.12 and transformer-lens 3.9.0; run it anywhere.
"""

import json
import pathlib
import types

import torch
import transformers
from sae_bench.evals.core import main as core
from sae_lens import SAE
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens import loading_from_pretrained as loading

HERE = pathlib.Path(__file__).parent
DEMO = HERE.parent.parent / "assets" / "demo"

torch.set_grad_enabled(False)
hf = transformers.AutoModelForCausalLM.from_pretrained(DEMO / "model", attn_implementation="eager").float()
c = hf.config
cfg = HookedTransformerConfig(
    d_model=c.hidden_size, n_layers=c.num_hidden_layers, n_heads=c.num_attention_heads, d_head=c.hidden_size // c.num_attention_heads,
    n_ctx=c.max_position_embeddings, d_vocab=c.vocab_size, original_architecture=c.architectures[0], device="cpu", init_weights=False,
    d_mlp=4 * c.n_embd, act_fn=c.activation_function, eps=c.layer_norm_epsilon, normalization_type="LN", positional_embedding_type="standard",
)  # fmt: skip
model = HookedTransformer(cfg, tokenizer=transformers.AutoTokenizer.from_pretrained(DEMO / "model"))
steps = dict.fromkeys(["fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases"], False)
model.load_and_process_state_dict(loading.convert_gpt2_weights(hf, cfg), **steps)
model.to(torch.float64)
read = SAE.load_from_disk(str(DEMO / "saes" / "resid-2"), device="cpu").to(torch.float64)
tokens = torch.tensor(json.loads((HERE / "positions" / "sae-lens.json").read_text())["tokens"])

# SAEBench reads settings where earlier versions of SAELens had them.
hook = read.cfg.metadata.hook_name
names = dict(hook_name=hook, hook_head_index=None, hook_layer=2, d_sae=read.cfg.d_sae, architecture_str="topk")
sae = types.SimpleNamespace(
    cfg=types.SimpleNamespace(**names), device=torch.device("cpu"), encode=read.encode, decode=read.decode,
    W_enc=read.W_enc, W_dec=read.W_dec, b_enc=read.b_enc,
)  # fmt: skip
store = types.SimpleNamespace(get_batch_tokens=lambda _: tokens)
special = {model.tokenizer.bos_token_id, model.tokenizer.eos_token_id, model.tokenizer.pad_token_id}

found = core.get_downstream_reconstruction_metrics(
    sae, model, store, compute_kl=True, compute_ce_loss=True, n_batches=1, eval_batch_size_prompts=len(tokens), ignore_tokens=special,
    exclude_special_tokens_from_reconstruction=True,
)  # fmt: skip
scalars, features = core.get_sparsity_and_variance_metrics(
    sae, model, store, n_batches=1, compute_l2_norms=True, compute_sparsity_metrics=True, compute_variance_metrics=True,
    compute_featurewise_density_statistics=True, eval_batch_size_prompts=len(tokens), model_kwargs={}, ignore_tokens=special,
)  # fmt: skip
features |= core.get_featurewise_weight_based_metrics(sae)
found |= scalars | core.calculate_misc_metrics(features)
mask = torch.stack([tokens != token for token in special if token is not None]).all(dim=0)
found["tokens"] = int(mask.sum())
shown = {key: [features[key][f] for f in (0, 7, 100)] for key in features}
path = HERE / "saebench-core.json"
path.write_text(json.dumps({"metrics": found, "features": [0, 7, 100], "of_features": shown}) + "\n")
print(json.dumps({"metrics": found, "of_features": shown}, indent=1))
