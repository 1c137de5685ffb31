"""Tiny random models of every architecture, made by `transformers`, with their logits. Run: python make_fixtures.py [NAME…]

Each folder: config.json, model.safetensors (fp32) as `save_pretrained` writes them, and expected.json with the logits.
"""
import json, pathlib, shutil, sys
import torch, transformers
from transformers import AutoConfig, AutoModelForCausalLM

here = pathlib.Path(__file__).parent / "fixtures"
common = dict(vocab_size=64, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              intermediate_size=24, max_position_embeddings=64, pad_token_id=None, bos_token_id=None, eos_token_id=None)
models = dict(
    gpt2=("gpt2", dict(vocab_size=64, n_embd=16, n_layer=2, n_head=4, n_positions=64, bos_token_id=0, eos_token_id=0)),
    llama2=("llama", dict(common, num_key_value_heads=4)),
    llama3=("llama", dict(common, rope_parameters=dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0,
            high_freq_factor=4.0, original_max_position_embeddings=16))),
    llama_linear=("llama", dict(common, rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0))),
    llama_yarn=("llama", dict(common, rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0,
            original_max_position_embeddings=16, beta_fast=32.0, beta_slow=1.0))),
    llama32=("llama", dict(common, tie_word_embeddings=True)),
    mistral=("mistral", dict(common, sliding_window=8, head_dim=4)),
    mixtral=("mixtral", dict(common, num_local_experts=4, num_experts_per_tok=2)),
    qwen2=("qwen2", dict(common, tie_word_embeddings=True)),
    qwen3=("qwen3", dict(common, head_dim=8)),
    qwen3_moe=("qwen3_moe", dict(common, head_dim=8, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=12, norm_topk_prob=True,
               decoder_sparse_step=1)),
    deepseek_v2=("deepseek_v2", dict(common, num_key_value_heads=4, q_lora_rank=None, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=4,
                 v_head_dim=8, n_routed_experts=4, n_shared_experts=2, num_experts_per_tok=2, moe_intermediate_size=12, first_k_dense_replace=1,
                 n_group=1, topk_group=1, topk_method="greedy", routed_scaling_factor=1.0)),
    deepseek_v3=("deepseek_v3", dict(common, num_key_value_heads=4, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=4,
                 v_head_dim=8, n_routed_experts=8, n_shared_experts=1, num_experts_per_tok=2, moe_intermediate_size=12, first_k_dense_replace=1,
                 n_group=4, topk_group=2, routed_scaling_factor=2.5, norm_topk_prob=True)),
    deepseek_yarn=("deepseek_v2", dict(common, num_key_value_heads=4, q_lora_rank=None, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=4,
                 v_head_dim=8, n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2, moe_intermediate_size=12, first_k_dense_replace=1,
                 n_group=1, topk_group=1, topk_method="greedy", routed_scaling_factor=1.0, rope_parameters=dict(rope_type="yarn",
                 rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16, mscale=0.707, mscale_all_dim=0.9))),
    gemma2=("gemma2", dict(common, head_dim=8, query_pre_attn_scalar=16, sliding_window=8, attn_logit_softcapping=50.0, final_logit_softcapping=30.0)),
    gemma3=("gemma3_text", dict(common, num_hidden_layers=3, head_dim=8, query_pre_attn_scalar=16, sliding_window=8,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"])),
    phi=("phi", dict(common, num_key_value_heads=4, partial_rotary_factor=0.5)),
    phi3=("phi3", dict(common)),
    olmo2=("olmo2", dict(common)),
    smollm=("llama", dict(common, tie_word_embeddings=True, rms_norm_eps=1e-5)),
)
wanted = sys.argv[1:] or list(models)
tokens = [[(7 * i + 3 * i * i + 5) % 64 for i in range(20)], [(11 * i + 2) % 64 for i in range(20)]]
for name in wanted:
    kind, fields = models[name]
    torch.manual_seed(sum(map(ord, name)))
    config = AutoConfig.for_model(kind, **fields)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        # Initial norms are ones and biases zeros, which would hide mistakes.
        for key, p in model.named_parameters():
            p.add_(torch.randn_like(p) * (0.3 if p.ndim == 1 else 0.08))
        for key, b in model.named_buffers():
            if "e_score_correction_bias" in key:
                b.copy_(torch.randn_like(b) * 0.1)
        logits = model(torch.tensor(tokens)).logits
    folder = here / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "expected.json").write_text(json.dumps(dict(transformers=transformers.__version__, tokens=tokens,
        logits=[[[float(f"{v:.6g}") for v in row[::1]] for row in seq[-4:]] for seq in logits.tolist()],
        sums=[[float(f"{v:.6g}") for v in seq] for seq in logits.double().sum(-1).tolist()]), separators=(",", ":")))
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name:12} {sum(p.numel() for p in model.parameters()):7} parameters  {size/1024:.0f} KiB")
