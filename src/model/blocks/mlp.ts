/** The feed-forward block: dense (gated or not), and Mixture of Experts with shared experts. */
import type { ModelSpec } from "../../checker/pipeline.js";
import type { LayerBuilder, LinearOptions } from "../builder.js";

/** One feed-forward network; `names` are gate, up, down (gate unused without gating). */
function network(
  b: LayerBuilder,
  m: ModelSpec,
  x: string,
  id: string,
  names: readonly [string, string, string],
  ffn: number,
  o: LinearOptions,
  /** Module of the checkpoint that holds gate and up, in this order. */
  whole?: string,
): string {
  const h = m.hidden.value;
  const rows = o.rows ?? "tokens";
  const half: LinearOptions = { ...o, split: "out" };
  const act = b.tensor(`${id}.act`, ffn, rows, { tensor: 1 });
  const attrs = { activation: m.activation.value };
  const splitBy = o.copies === undefined ? ("tensor" as const) : ("expert" as const);
  if (m.gatedMlp.value) {
    const part = (start: number): LinearOptions =>
      whole === undefined ? half : { ...half, part: { of: whole, start, size: 2 * ffn } };
    const gate = b.linear(`${id}.gate_proj`, x, names[0], h, ffn, part(0));
    const up = b.linear(`${id}.up_proj`, x, names[1], h, ffn, part(ffn));
    b.op({
      id: `${id}.act`,
      kind: "gated_activation",
      inputs: [gate, up],
      outputs: [act],
      saves: [gate, up],
      attrs,
      splitBy,
    });
  } else {
    const up = b.linear(`${id}.up_proj`, x, names[1], h, ffn, half);
    b.op({ id: `${id}.act`, kind: "activation", inputs: [up], outputs: [act], saves: [up], attrs, splitBy });
  }
  return b.linear(`${id}.down_proj`, act, names[2], ffn, h, { ...o, split: "in" });
}

export function mlp(b: LayerBuilder, m: ModelSpec, x: string, prefix: string): string {
  b.module = "mlp";
  const gpt2 = m.architecture.value === "gpt2";
  const names: readonly [string, string, string] = gpt2
    ? ["", `${prefix}mlp.c_fc`, `${prefix}mlp.c_proj`]
    : m.architecture.value === "phi"
      ? ["", `${prefix}mlp.fc1`, `${prefix}mlp.fc2`]
      : [`${prefix}mlp.gate_proj`, `${prefix}mlp.up_proj`, `${prefix}mlp.down_proj`];
  const whole = m.architecture.value === "phi3" ? `${prefix}mlp.gate_up_proj` : undefined;
  return network(b, m, x, "mlp", names, m.ffn.value, { bias: m.mlpBias.value, transposed: gpt2 }, whole);
}

export function moe(b: LayerBuilder, m: ModelSpec, x: string, prefix: string): string {
  b.module = "moe";
  const e = m.moe!;
  const h = m.hidden.value;
  const [experts, topK] = [e.experts.value, e.expertsPerToken.value];
  const mixtral = m.architecture.value === "mixtral";
  const at = `${prefix}${mixtral ? "block_sparse_moe" : "mlp"}.`;
  const attrs = {
    experts,
    topK,
    score: e.routerScore.value,
    normTopk: e.normTopk.value,
    routedScale: e.routedScale.value,
    groups: e.groups.value,
    groupsPerToken: e.groupsPerToken.value,
    auxLoss: e.auxLoss.value,
    balancing: e.balancing.value,
    imbalance: e.imbalance.value,
    capacity: e.capacityFactor?.value ?? 0,
  };
  const scores = b.linear("moe.router", x, `${at}gate`, h, experts, { kind: "router", attrs });
  if (e.balancing.value === "bias")
    b.weight(`${at}gate.e_score_correction_bias`, [experts], { trainable: false, init: { kind: "zeros" } });
  const routed = b.tensor("moe.routed", h, "routed_tokens", { expert: 0 });
  b.op({
    id: "moe.dispatch",
    kind: "dispatch",
    inputs: [x, scores],
    outputs: [routed],
    saves: [scores],
    attrs,
    splitBy: "expert",
  });
  const names: readonly [string, string, string] = mixtral
    ? [`${at}experts.{expert}.w1`, `${at}experts.{expert}.w3`, `${at}experts.{expert}.w2`]
    : [`${at}experts.{expert}.gate_proj`, `${at}experts.{expert}.up_proj`, `${at}experts.{expert}.down_proj`];
  const done = network(b, m, routed, "moe.experts", names, e.moeFfn.value, {
    copies: experts,
    kind: "grouped_linear",
    rows: "routed_tokens",
    attrs: { topK, imbalance: attrs.imbalance },
  });
  const out = b.tensor("moe.out", h, "tokens", { sequence: 0 });
  b.op({
    id: "moe.combine",
    kind: "combine",
    inputs: [done, scores],
    outputs: [out],
    saves: [done, scores],
    attrs,
    splitBy: "expert",
  });
  if (e.sharedFfn.value === 0) return out;
  const shared: readonly [string, string, string] = [
    `${at}shared_experts.gate_proj`,
    `${at}shared_experts.up_proj`,
    `${at}shared_experts.down_proj`,
  ];
  return b.add("moe.sum", out, network(b, m, x, "moe.shared", shared, e.sharedFfn.value, {}), h);
}
