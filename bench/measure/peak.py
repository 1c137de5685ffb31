"""The peak of live tensor bytes on a CPU, from the allocator's own events (torch.profiler records each allocation and free)."""

from __future__ import annotations

import torch
from torch.profiler import ProfilerActivity, profile


def local_bytes(tensors) -> int:
    """Of this rank: the shard of a distributed tensor, each storage once."""
    sizes = {}
    for t in tensors:
        if t is None:
            continue
        storage = (t.to_local() if hasattr(t, "to_local") else t).untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
    return sum(sizes.values())


class CpuPeak:
    """`with CpuPeak() as p: step()`; then `p.grown` is the most that was live beyond what was live before."""

    def __enter__(self) -> "CpuPeak":
        self.profile = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
        self.profile.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self.profile.__exit__(*error)
        events = [e for e in self.profile.profiler.kineto_results.events() if e.name() == "[memory]"]
        live = self.grown = 0
        for event in sorted(events, key=lambda e: e.start_ns()):
            if event.device_type() == torch.autograd.DeviceType.CPU:
                live += event.nbytes()
                self.grown = max(self.grown, live)
