"""Five steps of each optimizer on fixed weights and gradients, by PyTorch. Writes fixtures/optimizers.json."""
import json, pathlib
import torch

here = pathlib.Path(__file__).parent
def start(shape, k):
    n = 1
    for d in shape: n *= d
    return (torch.sin(torch.arange(n, dtype=torch.float32) * 0.37 + k)).reshape(shape)

def steps(make, shape):
    p = torch.nn.Parameter(start(shape, 1.0))
    optimizer = make([p])
    for t in range(5):
        p.grad = start(shape, 2.0 + t) * (0.1 + 0.05 * t)
        optimizer.step()
    return p.detach().flatten().tolist()

class Lion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al. 2023."""
    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))
    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                b1, b2 = group["betas"]
                update = (b1 * m + (1 - b1) * p.grad).sign()
                p.sub_(group["lr"] * (update + group["weight_decay"] * p))
                m.mul_(b2).add_(p.grad, alpha=1 - b2)

def muon(params):
    # In fp32: PyTorch's own iterations are in bf16.
    import torch.optim._muon as module
    def orthogonal(grad, coefficients, steps, eps):
        a, b, c = coefficients
        x = grad.T if grad.size(0) > grad.size(1) else grad
        x = x / x.norm().clamp(min=eps)
        for _ in range(steps):
            gram = x @ x.T
            x = a * x + (b * gram + c * gram @ gram) @ x
        return x.T if grad.size(0) > grad.size(1) else x
    module._zeropower_via_newtonschulz = orthogonal
    return torch.optim.Muon(params, lr=0.02, weight_decay=0.1, momentum=0.95, nesterov=True, adjust_lr_fn="match_rms_adamw")

cases = {
    "adamw": (lambda p: torch.optim.AdamW(p, lr=0.02, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1), [[6, 10], [7]]),
    "lion": (lambda p: Lion(p, lr=0.02, betas=(0.9, 0.99), weight_decay=0.1), [[6, 10], [7]]),
    "muon": (muon, [[6, 10], [10, 6]]),
    # eps[0]² is PyTorch's smallest variance; without weight decay, which it scales otherwise.
    "adafactor": (lambda p: torch.optim.Adafactor(p, lr=0.02, eps=(1e-15, 1e-3), weight_decay=0.0), [[6, 10], [7]]),
}
(here / "fixtures" / "optimizers.json").write_text(json.dumps({"torch": torch.__version__, "cases": [
    {"optimizer": name, "shape": shape, "weights": steps(make, shape)} for name, (make, shapes) in cases.items() for shape in shapes
]}, separators=(",", ":")) + "\n")
