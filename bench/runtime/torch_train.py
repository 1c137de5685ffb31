"""The same step in PyTorch eager on one CPU thread: prints {"tokens_per_second", "step_seconds", "cpu_seconds", "version"}."""
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
s = json.loads(sys.argv[1])
hidden, heads, kv, ffn, vocab = s["hidden"], s["heads"], s["kvHeads"], s["ffn"], s["vocab"]
length, sequences, dim = s["length"], s["sequences"], s["hidden"] // s["heads"]
angles = torch.outer(torch.arange(length), 10000.0 ** (-torch.arange(0, dim, 2) / dim))
cos, sin = torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()


def rope(x):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.n2 = torch.nn.RMSNorm(hidden), torch.nn.RMSNorm(hidden)
        linear = lambda i, o: torch.nn.Linear(i, o, bias=False)
        self.q, self.k, self.v = linear(hidden, hidden), linear(hidden, kv * dim), linear(hidden, kv * dim)
        self.o, self.gate, self.up, self.down = linear(hidden, hidden), linear(hidden, ffn), linear(hidden, ffn), linear(ffn, hidden)

    def forward(self, x):
        n = self.n1(x)
        split = lambda t, h: t.view(sequences, length, h, dim).transpose(1, 2)
        q, k, v = rope(split(self.q(n), heads)), rope(split(self.k(n), kv)), split(self.v(n), kv)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=heads != kv)
        x = x + self.o(a.transpose(1, 2).reshape(sequences, length, hidden))
        n = self.n2(x)
        return x + self.down(F.silu(self.gate(n)) * self.up(n))


embed = torch.nn.Embedding(vocab, hidden)
layers = torch.nn.Sequential(*[Layer() for _ in range(s["layers"])])
norm = torch.nn.RMSNorm(hidden)
parameters = [*embed.parameters(), *layers.parameters(), *norm.parameters()]
optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
ids = torch.randint(0, vocab, (sequences, length))
times, work = [], []
for step in range(9):
    began, cpu = time.perf_counter(), time.process_time()
    logits = norm(layers(embed(ids))) @ embed.weight.T
    F.cross_entropy(logits.view(-1, vocab), ids.view(-1)).backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    if step > 1:
        times.append(time.perf_counter() - began)
        work.append(time.process_time() - cpu)
median = statistics.median(times)
print(json.dumps({"version": torch.__version__, "step_seconds": median, "cpu_seconds": statistics.median(work), "tokens_per_second": sequences * length / median}))
