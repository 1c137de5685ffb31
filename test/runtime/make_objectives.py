"""Losses, gradients and metrics of every objective on tiny transformers models, by PyTorch's autograd and (where it offers a
function for it) TRL. Run: python make_objectives.py, with torch, transformers and trl 1.16 installed. Writes fixtures/objectives.json.

Policy: ../weights/fixtures/llama2; reference and teacher: ../weights/fixtures/llama32 (same vocabulary).
"""
import json, math, pathlib
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM
from trl.experimental.gkd.gkd_trainer import GKDTrainer

here = pathlib.Path(__file__).parent
load = lambda name: AutoModelForCausalLM.from_pretrained(here.parent / "weights" / "fixtures" / name, attn_implementation="eager").float()
ROWS, LENGTH, VOCAB = 4, 20, 64
seq = torch.tensor([[(7 * i + 3 * i * i + 11 * r + 5) % VOCAB for i in range(LENGTH + 1)] for r in range(ROWS)])
tokens, targets = seq[:, :-1], seq[:, 1:]
starts = [5, 7, 4, 9]
ends = [18, 20, 15, 20]
mask = torch.tensor([[1.0 if starts[r] <= i < ends[r] else 0.0 for i in range(LENGTH)] for r in range(ROWS)])


def log_probs(model, temperature=1.0):
    return F.log_softmax(model(tokens).logits / temperature, -1).gather(-1, targets[..., None])[..., 0]


def record(loss_of):
    policy = load("llama2")
    loss, extra = loss_of(policy)
    loss.backward()
    grads = {}
    for name, p in policy.named_parameters():
        wave = torch.cos(torch.arange(p.numel(), dtype=torch.float64) * 0.7)
        grads[name] = [p.grad.double().norm().item(), (p.grad.double().flatten() * wave).sum().item()]
    return {"loss": loss.item(), "gradients": grads, **extra}


def dpo(kind="sigmoid", beta=0.1, smoothing=0.0):
    def loss_of(policy):
        with torch.no_grad():
            ref = log_probs(load("llama32"))
        ratio = (log_probs(policy) - ref) * mask
        scores = ratio.sum(1)
        chosen, rejected = scores[0::2], scores[1::2]
        if kind == "sigmoid":
            x = beta * (chosen - rejected)
            loss = -(1 - smoothing) * F.logsigmoid(x) - smoothing * F.logsigmoid(-x)
        else:
            counts = mask.sum(1)
            loss = (chosen / counts[0::2] - rejected / counts[1::2] - 1 / (2 * beta)) ** 2
        return loss.mean(), {"sums": {"rewards_chosen": (beta * chosen).mean().item(), "rewards_rejected": (beta * rejected).mean().item(),
                             "reward_accuracy": (chosen > rejected).float().mean().item()}}
    return record(loss_of)


advantages = torch.tensor([1.2, -0.7, 0.3, -0.9])
def grpo(temperature, kl, clip, moved):
    # Old log-probabilities differ from today's by a fixed wave, so that some ratios are clipped.
    wave = 0.5 * torch.sin(torch.arange(ROWS * LENGTH, dtype=torch.float32)).reshape(ROWS, LENGTH) * moved
    with torch.no_grad():
        old = log_probs(load("llama2"), temperature) + wave
    def loss_of(policy):
        with torch.no_grad():
            ref = log_probs(load("llama32"), temperature)
        logp = log_probs(policy, temperature)
        ratio = torch.exp(logp - (old if moved else logp.detach()))
        a = advantages[:, None]
        loss = -torch.min(ratio * a, torch.clamp(ratio, 1 - clip, 1 + clip) * a)
        k3 = torch.exp(ref - logp) - (ref - logp) - 1
        loss = loss + kl * k3
        return (loss * mask).sum() / mask.sum(), {"old": old.flatten().tolist(), "sums": {"kl": ((k3 * mask).sum() / mask.sum()).item()}}
    return record(loss_of)


def distill(divergence, temperature, hard):
    def loss_of(policy):
        with torch.no_grad():
            teacher = load("llama32")(tokens).logits
        student = policy(tokens).logits
        labels = torch.where(mask > 0, targets, torch.full_like(targets, -100))
        beta = {"forward_kl": 0, "reverse_kl": 1, "js": 0.5}[divergence]
        soft = GKDTrainer.generalized_jsd_loss(student, teacher, labels, beta=beta, temperature=temperature, num_items_in_batch=mask.sum())
        truth = F.cross_entropy(student.flatten(0, 1), labels.flatten(), ignore_index=-100)
        return (1 - hard) * temperature**2 * soft + hard * truth, {"sums": {"divergence": temperature**2 * soft.item(), "cross_entropy": truth.item()}}
    return record(loss_of)


cases = [
    {"objective": "dpo", "options": {"beta": 0.1}, **dpo()},
    {"objective": "dpo", "options": {"beta": 0.3, "labelSmoothing": 0.1}, **dpo(beta=0.3, smoothing=0.1)},
    {"objective": "dpo", "options": {"beta": 0.2, "loss": "ipo"}, **dpo("ipo", 0.2)},
    {"objective": "grpo", "options": {"temperature": 1.0, "kl": 0.04, "clip": 0.2}, **grpo(1.0, 0.04, 0.2, 0)},
    {"objective": "grpo", "options": {"temperature": 1.3, "kl": 0.04, "clip": 0.2}, "moved": True, **grpo(1.3, 0.04, 0.2, 1)},
    *[{"objective": "distill", "options": {"divergence": d, "temperature": t, "hardLabels": h}, **distill(d, t, h)}
      for d, t, h in [("forward_kl", 1.0, 0.0), ("forward_kl", 2.0, 0.1), ("reverse_kl", 1.5, 0.0), ("js", 2.0, 0.3)]],
]
def experts(name, aux):
    """Mixture of experts: the mean cross-entropy, and the auxiliary loss of transformers layer by layer."""
    from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

    model = load(name)
    out = model(tokens, output_router_logits=True) if aux else model(tokens)
    loss = (F.cross_entropy(out.logits.flatten(0, 1), targets.flatten(), reduction="none") * mask.flatten()).sum() / mask.sum()
    balance = 0.0
    if aux:
        each = [load_balancing_loss_func((l,), model.config.num_local_experts, model.config.num_experts_per_tok) for l in out.router_logits]
        balance = sum(each) / len(each)
        (loss + aux * balance).backward()
        balance = balance.item()
    else:
        loss.backward()
    grads = {}
    for key, value in convert(model, {k: p.grad for k, p in model.named_parameters() if p.grad is not None}).items():
        wave = torch.cos(torch.arange(value.numel(), dtype=torch.float64) * 0.7)
        grads[key] = [value.double().norm().item(), (value.double().flatten() * wave).sum().item()]
    return {"model": name, "aux": aux, "loss": loss.item(), "balance": balance, "gradients": grads}


def convert(model, grads):
    """Gradients under the names that checkpoints have: transformers 5 keeps the experts of a layer in two tensors."""
    out = {}
    for key, g in grads.items():
        if key.endswith("experts.gate_up_proj") or key.endswith("experts.down_proj"):
            base = key.rsplit(".", 1)[0]
            mixtral = model.config.model_type == "mixtral"
            base = base.replace(".mlp.", ".block_sparse_moe.") if mixtral else base
            for e in range(g.shape[0]):
                if key.endswith("gate_up_proj"):
                    half = g.shape[1] // 2
                    out[f"{base}.{e}.{'w1' if mixtral else 'gate_proj'}.weight"] = g[e, :half].contiguous()
                    out[f"{base}.{e}.{'w3' if mixtral else 'up_proj'}.weight"] = g[e, half:].contiguous()
                else:
                    out[f"{base}.{e}.{'w2' if mixtral else 'down_proj'}.weight"] = g[e].contiguous()
        else:
            out[key.replace(".mlp.gate.", ".block_sparse_moe.gate.") if model.config.model_type == "mixtral" else key] = g
    return out


rewards = torch.tensor([1.0, 0, 0, 1, 0.5, 0.5, 0.5, 0.5, 1, 2, 3, 4])
groups = rewards.view(-1, 4)
std = groups.std(1, keepdim=True)
(here / "fixtures" / "objectives.json").write_text(json.dumps({
    "torch": torch.__version__, "tokens": seq.tolist(), "starts": starts, "ends": ends, "advantages": advantages.tolist(), "cases": cases,
    "experts": [experts("mixtral", 0.02), experts("qwen3_moe", 0.0), experts("deepseek_v2", 0.0), experts("deepseek_v3", 0.0)],
    "groups": {"rewards": rewards.tolist(), "size": 4, "scaled": ((groups - groups.mean(1, keepdim=True)) / (std + 1e-4)).flatten().tolist(),
               "plain": (groups - groups.mean(1, keepdim=True)).flatten().tolist()},
}, separators=(",", ":")) + "\n")
