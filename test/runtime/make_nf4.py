"""Reference values of nf4 with double quantisation, by bitsandbytes 0.50.2 on the CPU (torch 2.13).

pip install torch bitsandbytes; python make_nf4.py > fixtures/nf4.json
"""

import json

import bitsandbytes.functional as bnb
import torch

# The numbers of contract.ts, spread over some magnitudes by block of 64: two groups of 256 scales, the second not full.
BLOCKS = 300
state = 7
values = []
for i in range(64 * BLOCKS):
    state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
    signed = state - (1 << 32) if state >= 1 << 31 else state
    block = i // 64
    values.append(((state >> 8) / 2**23 - 1) * 2.0 ** (-(block * 7 % 5)) * (1 + block % 3))
x = torch.tensor(values, dtype=torch.float32)
packed, q = bnb.quantize_4bit(x, blocksize=64, compress_statistics=True, quant_type="nf4")
again = bnb.dequantize_4bit(packed, q).flatten()
codes = [n for byte in packed.flatten().tolist() for n in (byte >> 4, byte & 15)]
print(
    json.dumps(
        {
            "blocks": BLOCKS,
            "codes": "".join(f"{c:x}" for c in codes[: 64 * 20]),
            "scales": q.absmax.tolist(),
            "groups": q.state2.absmax.tolist(),
            "offset": q.offset.item(),
            "map": q.state2.code.tolist(),
            "values": again[::97].tolist(),
        }
    )
)
