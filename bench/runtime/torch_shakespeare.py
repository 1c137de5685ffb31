"""The model and data of examples/shakespeare.llmp in PyTorch: prints the held-out loss every 50 steps.
   python bench/runtime/torch_shakespeare.py examples/data/shakespeare.txt
"""
import math
import sys

import torch
import torch.nn.functional as F

torch.manual_seed(1337)
torch.set_num_threads(1)
hidden, heads, kv, ffn, vocab, layers_, length, rows, steps = 128, 4, 2, 384, 320, 4, 128, 16, 300
dim = hidden // heads
text = torch.tensor(list(open(sys.argv[1], "rb").read()))
cut = int(len(text) * 0.95)
train, held = text[:cut], text[cut:]
angles = torch.outer(torch.arange(length), 10000.0 ** (-torch.arange(0, dim, 2) / dim))
cos, sin = torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()


def rope(x):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        linear = lambda i, o: torch.nn.Linear(i, o, bias=False)
        self.n1, self.n2 = torch.nn.RMSNorm(hidden), torch.nn.RMSNorm(hidden)
        self.q, self.k, self.v = linear(hidden, hidden), linear(hidden, kv * dim), linear(hidden, kv * dim)
        self.o, self.gate, self.up, self.down = linear(hidden, hidden), linear(hidden, ffn), linear(hidden, ffn), linear(ffn, hidden)

    def forward(self, x):
        n = self.n1(x)
        split = lambda t, h: t.view(-1, length, h, dim).transpose(1, 2)
        q, k, v = rope(split(self.q(n), heads)), rope(split(self.k(n), kv)), split(self.v(n), kv)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.o(a.transpose(1, 2).reshape(-1, length, hidden))
        n = self.n2(x)
        return x + self.down(F.silu(self.gate(n)) * self.up(n))


embed = torch.nn.Embedding(vocab, hidden)
stack = torch.nn.Sequential(*[Layer() for _ in range(layers_)])
norm = torch.nn.RMSNorm(hidden)
parameters = [*embed.parameters(), *stack.parameters(), *norm.parameters()]
for p in parameters:
    if p.dim() > 1:
        torch.nn.init.normal_(p, 0.0, 0.02)
optimizer = torch.optim.AdamW(
    [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.1}, {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}],
    lr=2e-3, betas=(0.9, 0.95),
)


def loss_of(data, starts):
    x = torch.stack([data[i : i + length] for i in starts])
    y = torch.stack([data[i + 1 : i + length + 1] for i in starts])
    logits = norm(stack(embed(x))) @ embed.weight.T
    return F.cross_entropy(logits.view(-1, vocab), y.view(-1))


for step in range(steps):
    warm = 20
    lr = 2e-3 * (step + 1) / warm if step < warm else 2e-4 + 1.8e-3 * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))
    for group in optimizer.param_groups:
        group["lr"] = lr
    loss_of(train, torch.randint(0, len(train) - length - 1, (rows,)).tolist()).backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    if (step + 1) % 50 == 0:
        with torch.no_grad():
            print(step + 1, round(loss_of(held, range(0, len(held) - length - 1, length * 4)).item(), 4), flush=True)
