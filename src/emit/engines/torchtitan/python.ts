/** `export.py`: what torchtitan saved last, as a folder that transformers loads. */
export const exportPy = String.raw`"""The last weights, in Hugging Face's form, into output/. Written by llmp."""
import glob
import os
import shutil


def main():
    steps = [s for s in glob.glob("checkpoints/torchtitan/step-*") if glob.glob(os.path.join(s, "*.safetensors"))]
    if not steps:
        raise SystemExit("llmp: torchtitan left no weights in checkpoints/torchtitan")
    last = max(steps, key=lambda s: int(s.rsplit("-", 1)[1]))
    for path in [*glob.glob(os.path.join(last, "*.safetensors*")), "hf/config.json", *glob.glob("tokenizer/*")]:
        if os.path.isfile(path) and not path.startswith("tokenizer/model"):
            shutil.copy(path, "output")


if __name__ == "__main__":
    main()
`;

/** `cpu.py`: starts torchtitan 0.2.2, which knows accelerators only, on processors: at toy size, to try a stage. */
export const cpuPy = String.raw`"""torchtitan 0.2.2 on processors (gloo). Written by llmp; the arguments are torchtitan's."""
import os
import resource
import runpy
import types

import torch
import torch._utils
import torch.distributed as dist

torch._utils._get_available_device_type = lambda: "cpu"


def memory_stats(device=None):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    names = ("active_bytes.all.peak", "reserved_bytes.all.peak")
    return {**dict.fromkeys(names, peak), "num_alloc_retries": 0, "num_ooms": 0}


total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
# What torch.cuda has and torch.cpu lacks.
stand_ins = {
    "set_device": lambda device: None,
    "current_device": lambda: 0,
    "get_device_name": lambda device=None: "cpu",
    "get_device_properties": lambda device=None: types.SimpleNamespace(total_memory=total),
    "reset_peak_memory_stats": lambda device=None: None,
    "empty_cache": lambda: None,
    "memory_stats": memory_stats,
    "synchronize": lambda device=None: None,
}
for name, stand_in in stand_ins.items():
    if name in ("current_device", "set_device") or not hasattr(torch.cpu, name):
        setattr(torch.cpu, name, stand_in)

barrier = dist.barrier
dist.barrier = lambda *args, device_ids=None, **kwargs: barrier(*args, **kwargs)

# gloo has no reduction that multiplies first.
from torch.distributed.fsdp import FSDPModule  # noqa: E402

if hasattr(FSDPModule, "set_force_sum_reduction_for_comms"):
    import torch.distributed.fsdp as fsdp

    fully_shard = fsdp.fully_shard

    def summed(module, *args, **kwargs):
        sharded = fully_shard(module, *args, **kwargs)
        sharded.set_force_sum_reduction_for_comms(True)
        return sharded

    fsdp.fully_shard = summed

runpy.run_module("torchtitan.train", run_name="__main__", alter_sys=True)
`;
