/** A plan in few words: for hints, lenses and hover. */
import { formatBytes, formatGiB, formatNumber, formatPercent, formatSeconds, formatUsd } from "../../units/index.js";
import type { PlanSummary, StageSummary } from "../types.js";

/** `TP 4 · PP 1 · FSDP 16`, in the words that people say. */
export function layoutWords(stage: StageSummary): string {
  const p = stage.parallel;
  const shard = { none: "DP", zero1: "DP", zero2: "DP", zero3: "FSDP", hsdp: "HSDP" }[p.shard];
  const zero = p.shard === "zero1" ? " ZeRO-1" : p.shard === "zero2" ? " ZeRO-2" : "";
  return [
    `TP ${p.tensor}`,
    `PP ${p.pipeline}${p.virtual > 1 ? ` × ${p.virtual}` : ""}`,
    ...(p.context > 1 ? [`CP ${p.context}`] : []),
    ...(p.expert > 1 ? [`EP ${p.expert}`] : []),
    `${shard} ${p.data}${zero}`,
    `micro-batch ${p.micro_batch}`,
  ].join(" · ");
}

/** `71.8/79.1 GiB · 11.4 days · $120k` */
export function lensTitle(stage: StageSummary): string {
  const { memory, time, cost } = stage;
  const fits = memory.fits ? "" : "DOES NOT FIT · ";
  return `${fits}${formatGiB(memory.peak_bytes)}/${formatGiB(memory.capacity_bytes)} GiB · ${formatSeconds(time.total_seconds)}${cost.usd === null ? "" : ` · ${formatUsd(cost.usd)}`}`;
}

const range = (r: readonly [number, number] | null, show: (n: number) => string): string =>
  r === null ? "" : ` (${show(r[0])} – ${show(r[1])})`;

export function planMarkdown(plan: PlanSummary, stage: StageSummary, current: boolean): string {
  const { memory, time, cost, interval, cluster } = stage;
  const verdict = { ok: "fits", errors: "has errors", infeasible: "**does not fit**", over_budget: "**over budget**" }[
    plan.outcome
  ];
  const rows = [
    `| | planned | 80% interval |`,
    `|---|---|---|`,
    `| memory | ${formatBytes(memory.peak_bytes)} of ${formatBytes(memory.capacity_bytes)} |${range(interval.peak_bytes, formatBytes)} |`,
    `| step | ${formatSeconds(time.step_seconds)} |${range(interval.step_seconds, formatSeconds)} |`,
    `| time | ${formatSeconds(time.total_seconds)} |${range(interval.total_seconds, formatSeconds)} |`,
    `| cost | ${cost.usd === null ? "price unknown" : formatUsd(cost.usd)} |${range(interval.usd, formatUsd)} |`,
  ];
  return [
    `Plan: ${verdict}${current ? "" : " *(of an earlier version; planning…)*"}`,
    rows.join("\n"),
    `${cluster.count} × ${cluster.instance} · ${layoutWords(stage)} · recompute ${stage.recompute} · ${stage.engine} · ${stage.precision}`,
    `${formatNumber(time.tokens_per_second_per_device)} tokens/s/device · ${formatPercent(time.mfu)} of peak · peak at ${memory.peak_at}`,
    ...plan.relaxations
      .filter((r) => r.stage === stage.name)
      .slice(0, 3)
      .map((r) => `- would help: ${r.change}${r.flag === undefined ? "" : ` \`${r.flag}\``}`),
  ].join("\n\n");
}
