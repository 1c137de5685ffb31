"""A Llama- or GPT-shaped decoder in plain torch, with Mixture of Experts, low-rank adapters, and three kinds of recomputation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

dtypes = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@dataclass(frozen=True)
class Config:
    layers: int = 4
    hidden: int = 256
    heads: int = 4
    kv_heads: int = 4
    ffn: int = 1024
    vocab: int = 1024
    seq_len: int = 256
    gated_mlp: bool = True
    tied_embeddings: bool = False
    experts: int = 0
    experts_per_token: int = 2
    moe_ffn: int = 0
    micro_batch: int = 1
    accumulation: int = 1
    tp: int = 1
    shard: str = "none"
    precision: str = "bf16"
    recompute: str = "none"
    method: str = "pretrain"
    rank: int = 16
    compile: bool = False

    @staticmethod
    def of(values: dict) -> "Config":
        known = {f.name for f in fields(Config)}
        unknown = set(values) - known
        if unknown:
            raise SystemExit(f"unknown keys: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        return Config(**values)

    @property
    def compute(self) -> torch.dtype:
        return dtypes[self.precision]

    def row(self) -> dict:
        row = asdict(self)
        for key in ("accumulation", "shard", "rank"):
            row.pop(key)
        size = f"{self.layers}x{self.hidden}-s{self.seq_len}-mb{self.micro_batch}-{self.precision}-{self.recompute}"
        moe = self.experts > 0
        return row | {
            "id": f"measure-{self.method}-{size}-tp{self.tp}-{self.shard}",
            "engine": "torchtitan",
            "model_name": "plain torch",
            "pp": 1,
            "cp": 1,
            "zero_or_fsdp": self.shard,
            "sequence_parallel": False,
            "flash_attention": True,
            "experts": self.experts if moe else None,
            "experts_per_token": self.experts_per_token if moe else None,
            "moe_ffn": self.moe_ffn if moe else None,
        }


class LoraLinear(nn.Module):
    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False, device=base.weight.device)
        self.up = nn.Linear(rank, base.out_features, bias=False, device=base.weight.device)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.up(self.down(x))


class Attention(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.dim = c.hidden // c.heads
        self.q = nn.Linear(c.hidden, c.heads * self.dim, bias=False)
        self.k = nn.Linear(c.hidden, c.kv_heads * self.dim, bias=False)
        self.v = nn.Linear(c.hidden, c.kv_heads * self.dim, bias=False)
        self.o = nn.Linear(c.heads * self.dim, c.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, s, _ = x.shape
        q, k, v = (p(x).view(b, s, -1, self.dim).transpose(1, 2) for p in (self.q, self.k, self.v))
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
        return self.o(out.transpose(1, 2).reshape(b, s, -1))


class Mlp(nn.Module):
    def __init__(self, c: Config, ffn: int) -> None:
        super().__init__()
        self.gate = nn.Linear(c.hidden, ffn, bias=False) if c.gated_mlp else None
        self.up = nn.Linear(c.hidden, ffn, bias=False)
        self.down = nn.Linear(ffn, c.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.gate is None:
            return self.down(F.gelu(self.up(x)))
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Moe(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.top = c.experts_per_token
        self.router = nn.Linear(c.hidden, c.experts, bias=False)
        self.experts = nn.ModuleList(Mlp(c, c.moe_ffn or c.ffn) for _ in range(c.experts))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        weights, chosen = self.router(flat).softmax(-1).topk(self.top, -1)
        out = torch.zeros_like(flat)
        for i, expert in enumerate(self.experts):
            row, slot = (chosen == i).nonzero(as_tuple=True)
            out = out.index_add(0, row, (expert(flat[row]) * weights[row, slot, None]).to(out.dtype))
        return out.view_as(x)


class Block(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.norm1 = nn.RMSNorm(c.hidden)
        self.attention = Attention(c)
        self.norm2 = nn.RMSNorm(c.hidden)
        self.mlp = Moe(c) if c.experts > 0 else Mlp(c, c.ffn)
        self.recompute = "none"

    def body(self, x: Tensor) -> Tensor:
        attend = self.attention
        normed = self.norm1(x)
        # Selective: attention's inside is run again (Korthikanti et al. 2022).
        inner = checkpoint(attend, normed, use_reentrant=False) if self.recompute == "selective" else attend(normed)
        x = x + inner
        return x + self.mlp(self.norm2(x))

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.body, x, use_reentrant=False) if self.recompute == "full" else self.body(x)


def apply_recompute(model: "Transformer", mode: str) -> None:
    if mode not in ("none", "full", "selective"):
        raise SystemExit(f"recompute {mode}: this harness has none, full, selective")
    for block in model.blocks:
        block.recompute = mode


class Transformer(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.embedding = nn.Embedding(c.vocab, c.hidden)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = nn.RMSNorm(c.hidden)
        self.head = nn.Linear(c.hidden, c.vocab, bias=False)
        if c.tied_embeddings:
            self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(self(tokens).float().flatten(0, 1), targets.reshape(-1))

    def adapt(self, rank: int) -> None:
        """Freezes all, then puts a low-rank branch beside every product of the blocks."""
        self.requires_grad_(False)
        for block in self.blocks:
            for module in list(block.modules()):
                for name, child in list(module.named_children()):
                    if isinstance(child, nn.Linear) and not isinstance(module, LoraLinear):
                        setattr(module, name, LoraLinear(child, rank))

    def parallelise_tensor(self, mesh: object) -> None:
        from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

        for block in self.blocks:
            plan = {f"attention.{n}": ColwiseParallel() for n in "qkv"} | {"attention.o": RowwiseParallel()}
            if isinstance(block.mlp, Mlp):
                plan |= {"mlp.up": ColwiseParallel(), "mlp.down": RowwiseParallel()}
                if block.mlp.gate is not None:
                    plan["mlp.gate"] = ColwiseParallel()
            parallelize_module(block, mesh, plan)
