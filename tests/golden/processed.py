"""Makes transformer-lens/processed-*: what TransformerLens's HookedTransformer gives after processing the weights of tiny models, at a few hooks.

    python3 processed.py

Needs transformer-lens 3 (3.9.0 was used), torch and transformers.
"""

import pathlib

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens import loading_from_pretrained as loading

HERE = pathlib.Path(__file__).parent
DEFAULTS = dict(fold_ln=True, center_writing_weights=True, center_unembed=True, fold_value_biases=True)
REFACTORED = dict.fromkeys(DEFAULTS, False) | dict(refactor_factored_attn_matrices=True)
HOOKS = [
    "hook_embed", "blocks.1.hook_resid_pre", "blocks.1.ln1.hook_normalized", "blocks.1.attn.hook_q", "blocks.1.attn.hook_k", "blocks.1.attn.hook_v",
    "blocks.1.attn.hook_attn_scores", "blocks.1.attn.hook_z", "blocks.1.hook_attn_out", "blocks.1.mlp.hook_pre", "blocks.1.hook_mlp_out",
    "ln_final.hook_normalized",
]
TOKENS = 4


def common(c):
    return dict(
        d_model=c.hidden_size, n_layers=c.num_hidden_layers, n_heads=c.num_attention_heads, d_head=c.hidden_size // c.num_attention_heads,
        n_ctx=c.max_position_embeddings, d_vocab=c.vocab_size, original_architecture=c.architectures[0], device="cpu", init_weights=False,
    )


def gpt2(c):
    return common(c) | dict(
        d_mlp=4 * c.n_embd, act_fn=c.activation_function, eps=c.layer_norm_epsilon, normalization_type="LN", positional_embedding_type="standard",
    )


def gpt_neox(c):
    rope = c.rope_parameters
    return common(c) | dict(
        d_mlp=c.intermediate_size, act_fn=c.hidden_act, eps=c.layer_norm_eps, normalization_type="LN", positional_embedding_type="rotary",
        parallel_attn_mlp=True, rotary_dim=round(rope["partial_rotary_factor"] * c.hidden_size // c.num_attention_heads), rotary_base=rope["rope_theta"],
    )


def qwen2(c):
    return common(c) | dict(
        d_mlp=c.intermediate_size, act_fn=c.hidden_act, eps=c.rms_norm_eps, normalization_type="RMS", positional_embedding_type="rotary",
        n_key_value_heads=c.num_key_value_heads, gated_mlp=True, final_rms=True, rotary_dim=c.hidden_size // c.num_attention_heads,
        rotary_base=c.rope_parameters["rope_theta"], rotary_adjacent_pairs=False,
    )


def processed(name, config, convert, steps, out):
    folder = HERE / f"tiny-{name}"
    hf = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").float()
    cfg = HookedTransformerConfig(**config(hf.config))
    model = HookedTransformer(cfg)
    with torch.no_grad():
        model.load_and_process_state_dict(convert(hf, cfg), **steps)
        tokens = load_file(folder / "reference.safetensors")["tokens"][:, :TOKENS].contiguous()
        logits, cache = model.run_with_cache(tokens)
        want = hf(tokens).logits
    shift = logits - want
    assert (shift - shift.mean(-1, keepdim=True)).abs().max() < 1e-4, name
    kept = {hook: cache[hook].float().clone().contiguous() for hook in HOOKS if hook in cache}
    save_file({"tokens": tokens, "logits": logits.contiguous()} | kept, HERE / "transformer-lens" / f"processed-{out}.safetensors")
    print(out, {hook: tuple(value.shape) for hook, value in kept.items()})


processed("gpt2", gpt2, loading.convert_gpt2_weights, DEFAULTS, "gpt2")
processed("gpt2", gpt2, loading.convert_gpt2_weights, REFACTORED, "gpt2-refactored")
processed("gpt-neox", gpt_neox, loading.convert_neox_weights, DEFAULTS, "gpt-neox")
processed("qwen2", qwen2, loading.convert_qwen2_weights, DEFAULTS | dict(center_unembed=False), "qwen2")
