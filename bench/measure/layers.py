"""Bytes that autograd keeps for the backward of one decoder layer of `transformers`, as JSON, one line a case.

    python bench/measure/layers.py > test/model/data/saved.jsonl

Each storage counts once; parameters and what all layers share (rotary tables, masks) are left out. `compiled`: the same
layer through torch.compile's joint graph and partitioner (AOTAutograd), whose saved tensors are those that the forward hands
to the backward. The op graph's count for the same kernels is held equal to these (test/model/saved.test.ts).
"""

from __future__ import annotations

import json
import sys

import torch
import transformers

BATCH, LENGTH = 2, 64
# Sizes that no two tensors share, so that each can be told by its width.
cases = {
    "llama": dict(model_type="llama", hidden_size=96, num_attention_heads=6, num_key_value_heads=2, head_dim=16, intermediate_size=224),
    "llama_mha": dict(model_type="llama", hidden_size=96, num_attention_heads=6, num_key_value_heads=6, head_dim=16, intermediate_size=224),
    "qwen3": dict(model_type="qwen3", hidden_size=96, num_attention_heads=6, num_key_value_heads=2, head_dim=16, intermediate_size=224),
    "gpt2": dict(model_type="gpt2", n_embd=96, n_head=6, n_inner=384, resid_pdrop=0.0, attn_pdrop=0.0, embd_pdrop=0.0, activation_function="gelu_new"),
    "gpt2_dropout": dict(model_type="gpt2", n_embd=96, n_head=6, n_inner=384, resid_pdrop=0.1, attn_pdrop=0.0, embd_pdrop=0.1, activation_function="gelu_new"),
    "mixtral": dict(model_type="mixtral", hidden_size=96, num_attention_heads=6, num_key_value_heads=2, head_dim=16, intermediate_size=160, num_local_experts=4, num_experts_per_tok=2, router_jitter_noise=0.0),
    "deepseek_v3": dict(model_type="deepseek_v3", hidden_size=96, num_attention_heads=6, num_key_value_heads=6, intermediate_size=224, q_lora_rank=40, kv_lora_rank=32, qk_rope_head_dim=8, qk_nope_head_dim=16, v_head_dim=24, first_k_dense_replace=1, n_routed_experts=4, num_experts_per_tok=2, n_group=1, topk_group=1, moe_intermediate_size=48),
}


def config_of(name: str):
    values = dict(cases[name])
    kind = values.pop("model_type")
    depth = {"n_layer": 1, "n_positions": 256} if kind == "gpt2" else {"num_hidden_layers": 1, "max_position_embeddings": 256}
    return transformers.AutoConfig.for_model(kind, vocab_size=128, **depth, **values)


def layer_of(name: str, dtype: torch.dtype):
    config = config_of(name)
    kind = config.model_type
    config._attn_implementation = "sdpa"
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").to(dtype).train()
    body = model.transformer if kind == "gpt2" else model.model
    layer = body.h[0] if kind == "gpt2" else body.layers[0]
    width = config.n_embd if kind == "gpt2" else config.hidden_size
    shared = []
    arguments = {}
    if kind != "gpt2":
        positions = torch.arange(LENGTH)[None].expand(BATCH, -1)
        x = torch.zeros(BATCH, LENGTH, width, dtype=dtype)
        cos, sin = body.rotary_emb(x, positions)
        shared = [cos, sin]
        arguments = {"position_embeddings": (cos, sin), "position_ids": positions}
    return layer, width, arguments, shared


class Saved:
    """What autograd packs, each storage once; storages are held so that no address is used twice."""

    def __init__(self, left_out: list[torch.Tensor]) -> None:
        self.left_out = {t.untyped_storage().data_ptr() for t in left_out}
        self.kept: dict[int, torch.Tensor] = {}

    def pack(self, t: torch.Tensor) -> torch.Tensor:
        at = t.untyped_storage().data_ptr()
        if at not in self.left_out and not isinstance(t, torch.nn.Parameter):
            self.kept.setdefault(at, t)
        return t

    def figures(self) -> dict:
        sizes = [(t.untyped_storage().nbytes(), t) for t in self.kept.values()]
        rows = [[n, str(t.dtype).removeprefix("torch."), list(t.shape)] for n, t in sorted(sizes, key=lambda s: -s[0])]
        return {"bytes": sum(n for n, _ in sizes), "tensors": rows}


def eager(name: str, dtype: torch.dtype) -> dict:
    layer, width, arguments, shared = layer_of(name, dtype)
    x = torch.randn(BATCH, LENGTH, width, dtype=dtype, requires_grad=True)
    saved = Saved([*layer.parameters(), *layer.buffers(), *shared])
    with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda t: t):
        out = layer(x, **arguments)
    out = out[0] if isinstance(out, tuple) else out
    out.float().sum().backward()
    figures = saved.figures()
    return figures | {"input": x.untyped_storage().data_ptr() in saved.kept}


def compiled(name: str, dtype: torch.dtype) -> dict:
    from functorch.compile import make_boxed_func
    from torch._functorch.partitioners import min_cut_rematerialization_partition
    from torch._dynamo.backends.common import aot_autograd

    layer, width, arguments, shared = layer_of(name, dtype)
    saved = Saved([*layer.parameters(), *layer.buffers(), *shared])
    backend = aot_autograd(
        fw_compiler=lambda graph, _: make_boxed_func(graph.forward),
        bw_compiler=lambda graph, _: make_boxed_func(graph.forward),
        partition_fn=min_cut_rematerialization_partition,
    )
    x = torch.randn(BATCH, LENGTH, width, dtype=dtype, requires_grad=True)
    torch._dynamo.reset()
    run = torch.compile(layer, backend=backend, fullgraph=False)
    run(x, **arguments)
    with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda t: t):
        out = run(x, **arguments)
    out = out[0] if isinstance(out, tuple) else out
    out.float().sum().backward()
    return saved.figures() | {"input": x.untyped_storage().data_ptr() in saved.kept}


def main() -> None:
    for name in cases:
        for dtype in (torch.float32, torch.bfloat16):
            for kernels, measure in (("eager", eager), ("compiled", compiled)):
                try:
                    figures = measure(name, dtype)
                except Exception as error:  # noqa: BLE001: a case that this version cannot do is told, not hidden
                    print(f"{name} {kernels} {dtype}: {error}", file=sys.stderr)
                    continue
                row = {
                    "case": name,
                    "kernels": kernels,
                    "dtype": str(dtype).removeprefix("torch."),
                    "tokens": BATCH * LENGTH,
                    "torch": torch.__version__,
                    "transformers": transformers.__version__,
                    "config": config_of(name).to_diff_dict(),
                }
                print(json.dumps(row | figures), flush=True)


if __name__ == "__main__":
    main()
