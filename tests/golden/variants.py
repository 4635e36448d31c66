"""Makes variants/: small models with random weights, one for each setting that changes what a family computes, with transformers' own outputs.

    python3 variants.py

Needs torch and transformers 5 (5.23.0 was used). Each folder holds config.json (as transformers wrote it, or turned into the keys of an earlier age),
model.safetensors and reference.safetensors: tokens, logits, loss_sum and the residual stream entering each block.
"""

import json
import pathlib
import shutil

import torch
import transformers as t
from safetensors.torch import load_file, save_file

torch.manual_seed(0)
INTO = pathlib.Path(__file__).parent / "variants"
T = 20
BASE = {"vocab_size": 29, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
HALF = dict(BASE, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=32)
LLAMA = dict(HALF, num_key_value_heads=2)
GPT2 = dict(BASE, n_embd=16, n_layer=2, n_head=4, n_positions=32)
NEO = dict(BASE, hidden_size=16, num_layers=3, num_heads=4, max_position_embeddings=32)
GEMMA = dict(LLAMA, head_dim=6, sliding_window=5, query_pre_attn_scalar=7)
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8, "rope_theta": 10000.0}
LONG = {"short_factor": [1.0, 1.1], "long_factor": [1.5, 3.0]}


def rope(kind="default", theta=10000.0, **more):
    return {"rope_type": kind, "rope_theta": theta, **more}


def long(theta=10000.0, **more):
    return rope("longrope", theta, **LONG, **more)


# Name: configuration, keys to drop from the written config.json, keys to set in it.
VARIANTS = {
    "gpt2-scales": (t.GPT2Config(**GPT2, scale_attn_by_inverse_layer_idx=True, n_inner=20, activation_function="relu"), [], {}),
    "gpt2-unscaled-untied": (
        t.GPT2Config(**GPT2, scale_attn_weights=False, tie_word_embeddings=False, activation_function="gelu", layer_norm_epsilon=1e-3), [], {}),
    "gpt2-bare-names": (t.GPT2Config(**GPT2, activation_function="quick_gelu", reorder_and_upcast_attn=True), [], {}),
    "gpt-neo-windows": (
        t.GPTNeoConfig(**NEO, attention_types=[[["local"], 1], [["global", "local"], 1]], window_size=5, intermediate_size=20,
                       tie_word_embeddings=False), [], {}),
    "gpt-neox-serial": (t.GPTNeoXConfig(**HALF, use_parallel_residual=False, rope_parameters=rope(theta=500.0, partial_rotary_factor=0.5)), [], {}),
    "gpt-neox-unbiased": (
        t.GPTNeoXConfig(**HALF, attention_bias=False, tie_word_embeddings=True, rope_parameters=rope("linear", factor=3.0, partial_rotary_factor=1.0)),
        [], {}),
    "gpt-neox-earlier": (
        t.GPTNeoXConfig(**HALF, hidden_act="gelu_new", rope_parameters=rope(theta=700.0, partial_rotary_factor=0.5)),
        ["rope_parameters"], {"rotary_pct": 0.5, "rotary_emb_base": 700.0}),
    "llama-biased-tied": (t.LlamaConfig(**LLAMA, attention_bias=True, mlp_bias=True, tie_word_embeddings=True, hidden_act="gelu"), [], {}),
    "llama-head-dim": (t.LlamaConfig(**LLAMA, head_dim=6, rope_parameters=rope(theta=300.0)), [], {}),
    "llama-defaults": (
        t.LlamaConfig(**HALF), ["num_key_value_heads", "head_dim", "rope_parameters", "tie_word_embeddings", "hidden_act", "attention_bias"], {}),
    "llama-llama3": (t.LlamaConfig(**LLAMA, rope_parameters=dict(LLAMA3, rope_theta=10000.0)), [], {}),
    "llama-llama3-earlier": (
        t.LlamaConfig(**LLAMA, rope_parameters=dict(LLAMA3, rope_theta=5000.0)), ["rope_parameters"], {"rope_theta": 5000.0, "rope_scaling": LLAMA3}),
    "llama-yarn": (t.LlamaConfig(**LLAMA, rope_parameters=YARN), [], {}),
    "llama-yarn-mscale": (
        t.LlamaConfig(**LLAMA, rope_parameters=dict(YARN, rope_theta=100.0, beta_fast=8.0, beta_slow=2.0, truncate=False, mscale=0.7,
                                                    mscale_all_dim=1.3)), [], {}),
    "llama-yarn-attention": (t.LlamaConfig(**LLAMA, rope_parameters=dict(YARN, attention_factor=1.4)), [], {}),
    "llama-dynamic": (t.LlamaConfig(**LLAMA, rope_parameters=rope("dynamic", factor=4.0)), [], {}),
    "llama-longrope": (t.LlamaConfig(**LLAMA, rope_parameters=long(factor=4.0, original_max_position_embeddings=8)), [], {}),
    "mistral-unwindowed": (t.MistralConfig(**LLAMA, sliding_window=None), [], {}),
    "mistral-window-1": (t.MistralConfig(**LLAMA, sliding_window=1, head_dim=10, tie_word_embeddings=True), [], {}),
    "qwen2-upper-window": (
        t.Qwen2Config(**LLAMA, use_sliding_window=True, sliding_window=5, max_window_layers=1, tie_word_embeddings=False), ["layer_types"], {}),
    "qwen2-layer-types": (
        t.Qwen2Config(**LLAMA, use_sliding_window=True, sliding_window=5, layer_types=["sliding_attention", "full_attention"]), [], {}),
    "qwen2-yarn": (t.Qwen2Config(**LLAMA, rope_parameters=YARN), [], {}),
    "qwen3-biased-windows": (
        t.Qwen3Config(**LLAMA, head_dim=8, attention_bias=True, use_sliding_window=True, sliding_window=5, max_window_layers=0,
                      tie_word_embeddings=True, rms_norm_eps=1e-3), ["layer_types"], {}),
    "gemma2-uncapped": (
        t.Gemma2Config(**GEMMA, attn_logit_softcapping=None, final_logit_softcapping=None, attention_bias=True, tie_word_embeddings=False), [], {}),
    "gemma2-sharp-caps": (
        t.Gemma2Config(**GEMMA, attn_logit_softcapping=0.5, final_logit_softcapping=0.7, hidden_activation="silu"),
        ["layer_types", "rope_parameters"], {}),
    "gemma3-capped": (
        t.Gemma3TextConfig(**GEMMA, final_logit_softcapping=0.7, attention_bias=True, tie_word_embeddings=False,
                           layer_types=["full_attention", "sliding_attention"]), [], {}),
    "gemma3-earlier": (
        t.Gemma3TextConfig(**GEMMA, sliding_window_pattern=2,
                           rope_parameters={"full_attention": rope("linear", 5000.0, factor=8.0), "sliding_attention": rope(theta=100.0)}),
        ["rope_parameters", "layer_types", "_sliding_window_pattern"],
        {"rope_theta": 5000.0, "rope_local_base_freq": 100.0, "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "sliding_window_pattern": 2}),
    "gemma3-nested": (t.Gemma3TextConfig(**GEMMA), [], {}),
    "gemma3-nested-earlier": (t.Gemma3TextConfig(**GEMMA), [], {}),
    "phi3-partial-window": (
        t.Phi3Config(**LLAMA, sliding_window=5, tie_word_embeddings=True, rope_parameters=rope(partial_rotary_factor=0.5)), [], {}),
    "phi3-long": (t.Phi3Config(**LLAMA, original_max_position_embeddings=8, rope_parameters=long(partial_rotary_factor=1.0)), [], {}),
    "phi3-long-short-text": (t.Phi3Config(**LLAMA, original_max_position_embeddings=20, rope_parameters=long(partial_rotary_factor=1.0)), [], {}),
    "phi3-su": (
        t.Phi3Config(**LLAMA, original_max_position_embeddings=8, rope_parameters=long(partial_rotary_factor=1.0)),
        ["rope_parameters"], {"rope_theta": 10000.0, "rope_scaling": dict(LONG, type="su")}),
}


def renamed(name, weights):
    """Weights under the names that some published files have, with what a loader must leave aside."""
    if name == "gpt2-bare-names":
        weights = {key.removeprefix("transformer."): value for key, value in weights.items()}
        weights["h.0.attn.bias"] = torch.ones(1, 1, 32, 32)
    if name == "gemma3-nested":
        weights = {key.replace("model.", "model.language_model.", 1): value for key, value in weights.items()}
    if name == "gemma3-nested-earlier":
        weights = {"language_model." + key: value for key, value in weights.items()}
    if name.startswith("gemma3-nested"):
        weights["vision_tower.patch"] = torch.zeros(3)
    return {key: value.contiguous() for key, value in weights.items()}


def nested(config):
    outside = ["architectures", "dtype", "bos_token_id", "eos_token_id", "pad_token_id", "transformers_version"]
    inside = {key: value for key, value in config.items() if key not in outside}
    return {
        "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "bos_token_id": 0,
        "text_config": inside, "vision_config": {"hidden_size": 9},
    }


def make(name, config, drop, put):
    model = t.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for key, value in model.named_parameters():
            norm = "norm" in key or "ln_" in key
            value.copy_(value + 0.3 * torch.randn_like(value) if norm else 0.3 * torch.randn_like(value))
    tokens = torch.randint(1, 29, (1, T))
    tokens[:, 0] = 0
    with torch.no_grad():
        out = model(tokens, output_hidden_states=True)
    loss = torch.nn.functional.cross_entropy(out.logits[0, :-1], tokens[0, 1:], reduction="sum")
    reference = {"tokens": tokens, "logits": out.logits, "loss_sum": loss.reshape(1)}
    for layer, hidden in enumerate(out.hidden_states[:-1]):
        reference[f"blocks.{layer}.hook_resid_pre"] = hidden
    folder = INTO / name
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    save_file({key: value.contiguous() for key, value in reference.items()}, folder / "reference.safetensors")
    save_file(renamed(name, load_file(folder / "model.safetensors")), folder / "model.safetensors")
    written = json.loads((folder / "config.json").read_text())
    written = {key: value for key, value in written.items() if key not in drop} | put
    if name.startswith("gemma3-nested"):
        written = nested(written)
    (folder / "config.json").write_text(json.dumps(written, indent=1) + "\n")


shutil.rmtree(INTO, ignore_errors=True)
for name, (config, drop, put) in VARIANTS.items():
    make(name, config, drop, put)
