"""Makes transformer-lens/: what TransformerLens itself gives at hooks that the references of tiny-* lack, for one block and row.

    python3 bridge.py

Needs transformer-lens 3 (3.9.0 was used), torch and transformers.
"""

import pathlib

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformer_lens.model_bridge import TransformerBridge

HERE = pathlib.Path(__file__).parent
NAMES = ["hook_rot_q", "hook_rot_k", "hook_result"]

for family in ["gpt2", "llama", "gemma3"]:
    folder = HERE / f"tiny-{family}"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").float()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(HERE / "tiny-gpt2" / "tokenizer.json"))
    bridge = TransformerBridge.boot_transformers(str(folder), hf_model=model, tokenizer=tokenizer, device="cpu", dtype=torch.float32)
    bridge.set_use_attn_result(True)
    tokens = load_file(folder / "reference.safetensors")["tokens"]
    with torch.no_grad():
        _, cache = bridge.run_with_cache(tokens)
    hooks = [f"blocks.1.attn.{name}" for name in NAMES]
    kept = {hook: cache[hook].float().clone().contiguous() for hook in hooks if hook in cache}
    save_file({"tokens": tokens} | kept, HERE / "transformer-lens" / f"{family}.safetensors")
    print(family, {hook: tuple(value.shape) for hook, value in kept.items()})
