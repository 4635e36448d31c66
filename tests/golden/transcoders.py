"""Writes `circuit-tracer`: small transcoders of random weights in circuit-tracer's files and in Gemma Scope 2's, of one layer and across layers, with what
circuit-tracer makes of them.

Run with circuit-tracer 0.5.0:
    python transcoders.py
Each folder's `io.safetensors` holds inputs, codes and reconstructions, [n, d] and [n, f] of one layer, [l, n, d] and [l, n, f] across layers.
"""

import json
from pathlib import Path

import torch
from circuit_tracer.transcoder.activation_functions import JumpReLU
from circuit_tracer.transcoder.cross_layer_transcoder import CrossLayerTranscoder, load_clt, load_gemma_scope_2_clt
from circuit_tracer.transcoder.single_layer_transcoder import SingleLayerTranscoder, load_gemma_scope_2_transcoder, load_relu_transcoder
from safetensors.torch import save_file
from torch.nn import functional as F

LAYERS, FEATURES, WIDTH, TOKENS = 3, 20, 8, 12
CONFIG = """model_kind: cross_layer_transcoder
model_name: tiny
feature_input_hook: hook_resid_mid
feature_output_hook: hook_mlp_out
scan: tiny-clt
"""


def record(clt: CrossLayerTranscoder, folder: Path) -> None:
    x = torch.randn(LAYERS, TOKENS, WIDTH)
    with torch.no_grad():
        codes = clt.encode(x)
        # A position without any active feature would shorten what it gives back.
        recon = clt.decode(codes, x)
    assert recon.shape == x.shape
    save_file({"x": x, "codes": codes, "recon": recon.contiguous()}, folder / "io.safetensors")


def circuit_tracer(folder: Path, activation: str, dtype: torch.dtype) -> None:
    clt = CrossLayerTranscoder(
        LAYERS, FEATURES, WIDTH, activation_function=activation, lazy_decoder=False, device=torch.device("cpu"), dtype=dtype
    )
    with torch.no_grad():
        for parameter in clt.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.5)
        if isinstance(clt.activation_function, JumpReLU):
            # Some below 0: what passes them is kept with its sign.
            clt.activation_function.threshold.copy_(torch.randn(LAYERS, 1, FEATURES) * 0.4)
    folder.mkdir(parents=True, exist_ok=True)
    clt.to_safetensors(str(folder))
    (folder / "config.yaml").write_text(CONFIG)
    # Read back in f32, as we compute.
    record(load_clt(str(folder), device=torch.device("cpu"), dtype=torch.float32, lazy_decoder=False), folder)


def gemma_scope_2(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for layer in range(LAYERS):
        decoder = torch.randn(FEATURES, LAYERS, WIDTH) * 0.5
        # It has room for every layer and uses those from its own on.
        decoder[:, :layer] = 0
        paths[layer] = str(folder / f"params_layer_{layer}.safetensors")
        save_file(
            {
                "w_enc": torch.randn(WIDTH, FEATURES) * 0.5,
                "w_dec": decoder,
                "b_enc": torch.randn(FEATURES) * 0.1,
                "b_dec": torch.randn(WIDTH) * 0.1,
                "threshold": torch.rand(FEATURES) * 0.4,
                "affine_skip_connection": torch.randn(WIDTH, WIDTH) * 0.2,
            },
            paths[layer],
        )
    (folder / "config.json").write_text(json.dumps({"architecture": "jump_relu", "model_name": "google/gemma-3-tiny", "affine_connection": True}))
    # Its loader leaves out the layer of the largest number it is given.
    record(load_gemma_scope_2_clt({**paths, LAYERS: ""}, device=torch.device("cpu"), dtype=torch.float32), folder)


def of_one_layer(transcoder: SingleLayerTranscoder, folder: Path) -> None:
    x = torch.randn(TOKENS, WIDTH)
    with torch.no_grad():
        codes = transcoder.encode(x)
        recon = transcoder.decode(codes, x)
    save_file({"x": x, "codes": codes, "recon": recon}, folder / "io.safetensors")


def per_layer(folder: Path, activation, skip: bool, dtype: torch.dtype) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cpu = torch.device("cpu")
    transcoder = SingleLayerTranscoder(WIDTH, FEATURES, activation, 1, skip_connection=skip, device=cpu, dtype=dtype)
    with torch.no_grad():
        for parameter in transcoder.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.5)
    path = str(folder / "layer_1.safetensors")
    transcoder.to_safetensors(path)
    of_one_layer(load_relu_transcoder(path, 1, device=cpu, dtype=torch.float32, lazy_encoder=False, lazy_decoder=False), folder)


def gemma_scope_2_of_one_layer(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder / "params.safetensors")
    tensors = {
        "w_enc": torch.randn(WIDTH, FEATURES) * 0.5,
        "w_dec": torch.randn(FEATURES, WIDTH) * 0.5,
        "b_enc": torch.randn(FEATURES) * 0.1,
        "b_dec": torch.randn(WIDTH) * 0.1,
        "threshold": torch.rand(FEATURES) * 0.4,
        "affine_skip_connection": torch.randn(WIDTH, WIDTH) * 0.2,
    }
    save_file(tensors, path)
    of_one_layer(load_gemma_scope_2_transcoder(path, 1, device=torch.device("cpu"), dtype=torch.float32), folder)


def main() -> None:
    torch.manual_seed(0)
    root = Path(__file__).parent / "circuit-tracer"
    circuit_tracer(root / "across-relu", "relu", torch.bfloat16)
    circuit_tracer(root / "across-jump-relu", "jump_relu", torch.float32)
    gemma_scope_2(root / "gemma-scope-2-tiny-pt" / "clt")
    per_layer(root / "layer-relu-skip", F.relu, True, torch.bfloat16)
    per_layer(root / "layer-jump-relu", JumpReLU(torch.zeros(FEATURES), 0.1), False, torch.float32)
    gemma_scope_2_of_one_layer(root / "gemma-scope-2-tiny-pt" / "transcoder" / "layer_1_width_20_l0_small_affine")


if __name__ == "__main__":
    main()
