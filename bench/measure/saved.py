"""Bytes that autograd keeps for the backward: each storage once, parameters left out."""

from __future__ import annotations

import torch


class SavedBytes(torch.autograd.graph.saved_tensors_hooks):
    def __init__(self) -> None:
        self.live: dict[int, int] = {}
        self.peak = 0
        super().__init__(self.pack, lambda tensor: tensor)

    def __enter__(self) -> None:
        self.live = {}
        return super().__enter__()

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, torch.nn.Parameter):  # weights are counted once, elsewhere
            local = tensor.to_local() if hasattr(tensor, "to_local") else tensor
            storage = local.untyped_storage()
            self.live[storage.data_ptr()] = storage.nbytes()
            self.peak = max(self.peak, sum(self.live.values()))
        return tensor
