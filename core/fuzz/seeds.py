"""Writes small well-formed inputs for the fuzz targets under `corpus/`, from which mutation starts.

    python3 seeds.py
"""

import json
import pathlib
import struct
import zipfile

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE.parent.parent / "tests" / "golden"
U32, I32, F32, BOOL, TEXT, LIST = 4, 5, 6, 7, 8, 9


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def value(kind, value):
    if kind == TEXT:
        return text(value)
    if kind == LIST:
        of, items = value
        body = b"".join(globals()["value"](of, item) for item in items)
        return struct.pack("<IQ", of, len(items)) + body
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], value)


def gguf(architecture, keys, tensors):
    """Tensors are (name, dims as stored) in f32, all zeros but one."""
    header = {"general.architecture": (TEXT, architecture)} | keys
    out = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(header))
    for key, (kind, it) in header.items():
        out += text(key) + struct.pack("<I", kind) + value(kind, it)
    offset, data = 0, b""
    for name, dims in tensors:
        out += text(name) + struct.pack("<I", len(dims)) + b"".join(struct.pack("<Q", d) for d in dims) + struct.pack("<IQ", 0, offset)
        size = 4
        for d in dims:
            size *= d
        size = -(-size // 32) * 32
        data += struct.pack("<f", 0.5) + bytes(size - 4)
        offset += size
    return out + bytes(-len(out) % 32) + data


def tokenizer(model, tokens, **more):
    keys = {"model": (TEXT, model), "tokens": (LIST, (TEXT, tokens)), "token_type": (LIST, (I32, [3] + [1] * (len(tokens) - 1))), "bos_token_id": (U32, 0)}
    return {f"tokenizer.ggml.{key}": it for key, it in (keys | more).items()}


D, V, M = 4, 8, 8
COUNTS = {"embedding_length": D, "block_count": 1, "context_length": 4, "feed_forward_length": M, "attention.head_count": 1}
BYTES = ["<s>", "a", "b", "ab", "Ġ", "c", "abc", "d"]
PIECES = ["<s>", "<unk>", "▁", "a", "b", "ab", "▁a", "<0x0A>"]
NORMS = {"attention.layer_norm_epsilon": (F32, 1e-5), "attention.layer_norm_rms_epsilon": (F32, 1e-5)}


def counts(name):
    return {f"{name}.{key}": (U32, n) for key, n in COUNTS.items()} | {f"{name}.{key}": it for key, it in NORMS.items()}


def gated(name, extra):
    layer = [("attn_norm", [D]), ("attn_q", [D, D]), ("attn_k", [D, D]), ("attn_v", [D, D]), ("attn_output", [D, D]), ("ffn_norm", [D]),
             ("ffn_gate", [D, M]), ("ffn_up", [D, M]), ("ffn_down", [M, D])]
    tensors = [("token_embd.weight", [D, V]), ("output_norm.weight", [D])] + [(f"blk.0.{part}.weight", dims) for part, dims in layer + extra]
    if name == "qwen2":
        tensors += [(f"blk.0.attn_{part}.bias", [D]) for part in "qkv"]
    return tensors


def gpt2():
    parts = [("attn_norm", [D], D), ("attn_qkv", [D, 3 * D], 3 * D), ("attn_output", [D, D], D), ("ffn_norm", [D], D), ("ffn_up", [D, M], M), ("ffn_down", [M, D], D)]
    tensors = [("token_embd.weight", [D, V]), ("position_embd.weight", [D, 4]), ("output_norm.weight", [D]), ("output_norm.bias", [D])]
    for part, dims, out in parts:
        tensors += [(f"blk.0.{part}.weight", dims), (f"blk.0.{part}.bias", [out])]
    return tensors


def put(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


bpe = tokenizer("gpt2", BYTES, pre=(TEXT, "gpt-2"), merges=(LIST, (TEXT, ["a b", "ab c"])))
pieces = tokenizer("llama", PIECES, scores=(LIST, (F32, [-float(i) for i in range(V)])), unknown_token_id=(U32, 1), add_bos_token=(BOOL, True))
put("gguf", "gpt2", gguf("gpt2", counts("gpt2") | bpe, gpt2()))
put("gguf", "llama", gguf("llama", counts("llama") | pieces, gated("llama", [])))
put("gguf", "qwen2", gguf("qwen2", counts("qwen2") | bpe, gated("qwen2", [])))
behind = [("post_attention_norm", [D]), ("post_ffw_norm", [D]), ("attn_q_norm", [D]), ("attn_k_norm", [D])]
put("gguf", "gemma3", gguf("gemma3", counts("gemma3") | pieces | {"gemma3.attention.sliding_window": (U32, 2)}, gated("gemma3", behind)))

names = [("wte.weight", [V, D]), ("wpe.weight", [4, D]), ("ln_f.weight", [D]), ("ln_f.bias", [D])]
for part, dims in [("ln_1", [D]), ("ln_2", [D]), ("attn.c_attn", [D, 3 * D]), ("attn.c_proj", [D, D]), ("mlp.c_fc", [D, 4 * D]), ("mlp.c_proj", [4 * D, D])]:
    names += [(f"h.0.{part}.weight", dims), (f"h.0.{part}.bias", dims[-1:])]
entries, at = {}, 0
for name, dims in names:
    size = 2
    for d in dims:
        size *= d
    entries[name] = {"dtype": "F16", "shape": dims, "data_offsets": [at, at + size]}
    at += size
head = json.dumps(entries).encode()
put("safetensors", "gpt2", struct.pack("<Q", len(head)) + head + bytes(at))

for config in sorted(GOLDEN.glob("**/config*.json")):
    put("settings", f"{config.parent.name}-{config.stem}", config.read_bytes())
for at, name in enumerate(["openai-community/gpt2", "a/b/c.Q4_K_M.gguf@refs/pr/1", "transformer-lens", "fold-ln,center-unembed", "none"]):
    put("names", str(at), name.encode())

SAES = GOLDEN / "sae-files"
for path in sorted(SAES.glob("*/*.pt")):
    with zipfile.ZipFile(path) as archive:
        pickle = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        put("checkpoint", path.parent.name, archive.read(pickle))
put("checkpoint", "whole", (SAES / "openai-topk" / "1.pt").read_bytes())
put("npz", "whole", (SAES / "gemma-scope" / "params.npz").read_bytes())
for order in ["False", "True"]:
    header = f"{{'descr': '<f4', 'fortran_order': {order}, 'shape': (2, 4), }}\n".encode()
    put("npz", order, b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + bytes(32))
hook = "blocks.0.hook_resid_post"
configs = [
    {"architecture": "jumprelu", "d_in": 2, "d_sae": 2, "metadata": {"sae_lens_version": "6.54.12", "hook_name": hook}},
    {"activation": "topk", "d_in": 2, "num_latents": 2, "k": 1, "transcode": False, "skip_connection": False},
    {"sae_type": "sae", "hook_point_in": hook, "hook_point_out": hook, "d_model": 2, "act_fn": "topk", "top_k": 1, "norm_activation": "dataset-wise"},
    {"d_model": 2, "d_sae": 2, "jump_relu_threshold": 0.5, "dataset_average_activation_norm": {"in": 2.0}, "hook_point_in": hook},
]
for at, config in enumerate(configs):
    put("dictionary", str(at), bytes([at]) + json.dumps(config).encode())
for at, architecture in enumerate(["batchtopk", "matching_pursuit", "skip_transcoder", "gated"]):
    config = configs[0] | {"architecture": architecture, "d_out": 2, "k": 1, "rescale_acts_by_decoder_norm": True}
    put("dictionary", architecture, bytes([0]) + json.dumps(config).encode())
put("dictionary", "yaml", b"\x04model_name: a/b\nfeature_input_hook: mlp.hook_in\nactivation: topk\nk: 1\n")
