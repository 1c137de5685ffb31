"""8-bit floats and block scales by PyTorch. Writes fixtures/numerics.json."""
import json, math, pathlib
import torch

here = pathlib.Path(__file__).parent
values = torch.cat([torch.tensor([0.0, 1.0, -1.0, 448.0, 464.0, 0.001953125, 0.0009765625, 0.00146484375, 1.0625, 1.1875, 17.0, 19.0, -0.3]),
                    torch.sin(torch.arange(200, dtype=torch.float32)) * torch.exp(torch.linspace(-9, 6, 200))])
casts = {"e4m3": values.clamp(-448, 448).to(torch.float8_e4m3fn).float().tolist(),
         "e5m2": values.clamp(-57344, 57344).to(torch.float8_e5m2).float().tolist()}
matrix = torch.sin(torch.arange(150 * 140, dtype=torch.float32) * 0.11).reshape(150, 140) * torch.exp(torch.linspace(-4, 3, 150))[:, None]

def quantise(x, rows, columns, dtype, top, power):
    out = torch.empty_like(x)
    for r in range(0, x.shape[0], rows):
        for c in range(0, x.shape[1], columns):
            part = x[r:r + rows, c:c + columns]
            amax = part.abs().max()
            scale = 2.0 ** (math.floor(math.log2(top)) - torch.floor(torch.log2(amax))) if power else (top / amax.double()).float()
            out[r:r + rows, c:c + columns] = (part * scale).clamp(-top, top).to(dtype).float() / scale
    return out

inf = 10**6
cases = []
for recipe, operand, along, rows, columns, power in [("tensorwise", "input", 1, inf, inf, False), ("tensorwise", "gradient", 1, inf, inf, False),
        ("rowwise", "input", 1, 1, inf, False), ("rowwise", "input", 0, inf, 1, False), ("blockwise", "weight", 1, 128, 128, False),
        ("blockwise", "input", 1, 1, 128, False), ("blockwise", "gradient", 0, 128, 1, False), ("mx", "input", 1, 1, 32, True)]:
    wide = recipe == "tensorwise" and operand == "gradient"
    q = quantise(matrix, rows, columns, torch.float8_e5m2 if wide else torch.float8_e4m3fn, 57344.0 if wide else 448.0, power).double()
    cases.append({"recipe": recipe, "operand": operand, "along": along, "sample": q.flatten()[::97].tolist(), "error": (q - matrix).norm().item()})
(here / "fixtures" / "numerics.json").write_text(json.dumps({"torch": torch.__version__, "values": values.tolist(), "casts": casts, "matrix": [150, 140], "cases": cases}, separators=(",", ":")) + "\n")
