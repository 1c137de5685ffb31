"""Measures one planned layout with plain PyTorch and prints it in the format of runs.jsonl.

    python measure.py '{"layers": 4, "hidden": 256, ...}'            one device, or the CPU at toy size
    torchrun --nproc-per-node 8 measure.py CONFIG.json               FSDP2 (`fully_shard`), tensor parallel
    python measure.py CONFIG.json --plan stage.plan.json             the first stage of a plan as `llmp plan -o` writes it

Peak memory is `torch.cuda.max_memory_allocated` (and reserved) over steps 2..n. On a CPU it is what this rank's tensors
hold between steps, and the most that a step (one more, under the profiler) allocates beyond that. The worst rank counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import torch
import torch.distributed as dist

from model import Config, Transformer, apply_recompute
from peak import CpuPeak, local_bytes

GIB = 1024**3


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="JSON text, or a file with it")
    parser.add_argument("--plan", help="take layout and shape from a plan.json instead of the configuration's")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--out", help="append the row to this file")
    return parser.parse_args()


def read_config(args: argparse.Namespace) -> Config:
    text = args.config if args.config.lstrip().startswith("{") else Path(args.config).read_text()
    values = json.loads(text)
    if args.plan:
        stage = json.loads(Path(args.plan).read_text())["stages"][0]
        p = stage["parallel"]
        values |= {
            "seq_len": stage["context_length"],
            "micro_batch": p["micro_batch"],
            "accumulation": p["accumulation"],
            "tp": p["tensor"],
            "shard": {"zero3": "fsdp-full", "hsdp": "hsdp"}.get(p["shard"], "none"),
            "recompute": stage["recompute"]["summary"],
        }
        if p["pipeline"] > 1 or p["context"] > 1 or p["expert"] > 1:
            raise SystemExit("this harness has no pipeline, context or expert axis: measure those with the plan's engine")
    return Config.of(values)


def parallelise(model: Transformer, c: Config, device: torch.device) -> None:
    """Tensor axis inside, sharding outside, as torchtitan composes them."""
    world = dist.get_world_size() if dist.is_initialized() else 1
    if world == 1:
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    dp = world // c.tp
    mesh = init_device_mesh(device.type, (dp, c.tp), mesh_dim_names=("dp", "tp"))
    if c.tp > 1:
        model.parallelise_tensor(mesh["tp"])
    if c.shard != "none":
        policy = MixedPrecisionPolicy(param_dtype=c.compute, reduce_dtype=torch.float32)
        for block in model.blocks:
            fully_shard(block, mesh=mesh["dp"], mp_policy=policy)
        fully_shard(model, mesh=mesh["dp"], mp_policy=policy)
    elif dp > 1:
        for parameter in model.parameters():
            parameter.register_post_accumulate_grad_hook(lambda q: dist.all_reduce(q.grad, group=mesh["dp"].get_group()))


def clip(parameters: list[torch.nn.Parameter]) -> None:
    """Sharded and plain parameters apart: their norms do not mix."""
    for sharded in (True, False):
        group = [p for p in parameters if hasattr(p, "to_local") == sharded and p.grad is not None]
        if group:
            torch.nn.utils.clip_grad_norm_(group, 1.0)


def main() -> None:
    args = arguments()
    c = read_config(args)
    cuda = torch.cuda.is_available()
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", rank) if cuda else torch.device("cpu")
    if "RANK" in os.environ:
        dist.init_process_group("nccl" if cuda else "gloo")
    if cuda:
        torch.cuda.set_device(device)
    world = dist.get_world_size() if dist.is_initialized() else 1
    torch.manual_seed(0)
    model = Transformer(c).to(device)
    if c.method in ("lora", "qlora"):
        model.adapt(c.rank)
    apply_recompute(model, c.recompute)
    parallelise(model, c, device)
    if c.compile:
        for block in model.blocks:
            block.compile()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=cuda)
    dp = world // c.tp
    tokens = torch.randint(0, c.vocab, (c.micro_batch, c.seq_len + 1), device=device)
    seconds: list[float] = []
    autocast = torch.autocast(device.type, c.compute, enabled=c.compute != torch.float32)

    def train() -> None:
        for _ in range(c.accumulation):
            with autocast:
                loss = model.loss(tokens[:, :-1], tokens[:, 1:])
            loss.backward()
            del loss
        clip(trained)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for step in range(args.steps):
        if cuda:
            torch.cuda.synchronize()
            if step == 1:
                torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        train()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    step_seconds = statistics.median(seconds[2:] or seconds)
    if cuda:
        peak = torch.cuda.max_memory_allocated()
        kind = f"torch max_memory_allocated; reserved {torch.cuda.max_memory_reserved() / GIB:.2f} GiB"
        gpu = torch.cuda.get_device_name()
    else:
        state = [t for of in optimizer.state.values() for t in of.values() if torch.is_tensor(t)]
        between = local_bytes([*model.parameters(), *state])
        with CpuPeak() as step:
            train()
        worst = torch.tensor(float(between + step.grown), dtype=torch.float64)
        if dist.is_initialized():
            dist.all_reduce(worst, op=dist.ReduceOp.MAX)
        peak = worst.item()
        kind = "live tensors on a CPU: max allocated over a step, worst rank"
        gpu = "cpu"
    if rank == 0:
        row = c.row() | {
            "source": f"bench/measure, torch {torch.__version__}",
            "outcome": "ok",
            "gpu": gpu,
            "gpus": world,
            "gpus_per_node": int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
            "dp": dp,
            "global_batch": c.micro_batch * c.accumulation * dp,
            "measured_iteration_s": round(step_seconds, 6),
            "measured_tokens_per_s_per_gpu": round(c.micro_batch * c.accumulation * dp * c.seq_len / step_seconds / world, 2),
            "measured_peak_memory_gib_per_gpu": peak / GIB,
            "memory_kind": kind,
        }
        line = json.dumps(row)
        print(line)
        if args.out:
            with open(args.out, "a") as file:
                file.write(line + "\n")
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    try:
        main()
    except torch.OutOfMemoryError:
        print(json.dumps(read_config(arguments()).row() | {"source": "bench/measure", "outcome": "oom"}))
