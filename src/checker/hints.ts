import { type Details, nearest } from "../diagnostics/index.js";
import type { Span } from "../text/index.js";

/** Words of Hugging Face, Megatron, torchtitan, DeepSpeed and PEFT for what is called otherwise here. */
const synonyms = new Map<string, readonly string[]>(
  Object.entries({
    adam: ["adamw"],
    bfloat16: ["bf16"],
    cp: ["context"],
    dp: ["data"],
    ep: ["expert"],
    expert_parallel: ["expert"],
    float16: ["fp16"],
    float32: ["fp32"],
    fsdp: ["zero3"],
    full_shard: ["zero3"],
    global_batch_size: ["batch"],
    gradient_checkpointing: ["recompute"],
    activation_checkpointing: ["recompute"],
    hidden_dim: ["hidden"],
    hidden_size: ["hidden"],
    intermediate_size: ["ffn"],
    learning_rate: ["lr", "optimizer"],
    lora_alpha: ["alpha"],
    lora_dropout: ["dropout"],
    lr: ["lr", "optimizer"],
    lr_scheduler: ["schedule"],
    max_position_embeddings: ["context_length"],
    max_seq_len: ["context_length"],
    max_seq_length: ["context_length"],
    max_steps: ["steps"],
    micro_batch_size: ["micro_batch"],
    n_embd: ["hidden"],
    n_head: ["heads"],
    n_layer: ["layers"],
    num_attention_heads: ["heads"],
    num_epochs: ["epochs"],
    num_experts: ["experts"],
    num_hidden_layers: ["layers"],
    num_key_value_heads: ["kv_heads"],
    num_train_epochs: ["epochs"],
    path: ["source"],
    pp: ["pipeline"],
    r: ["rank"],
    seq_len: ["context_length"],
    seq_length: ["context_length"],
    target_modules: ["targets"],
    tie_word_embeddings: ["tied_embeddings"],
    tp: ["tensor"],
    vocab_size: ["vocab"],
    warmup_steps: ["warmup"],
  }),
);

/** "did you mean", with the edit that an editor may apply; else the few that are known. */
export function nearestHint(word: string, known: Iterable<string>, span: Span): Details {
  const all = [...known];
  const guess = synonyms.get(word.toLowerCase())?.find((s) => all.includes(s)) ?? nearest(word, all);
  if (guess !== undefined) {
    return {
      hints: [`did you mean \`${guess}\`?`],
      fixes: [{ title: `Change to \`${guess}\``, edits: [{ span, text: guess }], safe: false }],
    };
  }
  if (all.length === 0) return {};
  const shown = all.slice(0, 12);
  return { hints: [`known: ${shown.join(", ")}${all.length > shown.length ? ", …" : ""}`] };
}
