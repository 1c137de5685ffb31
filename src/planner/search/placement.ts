/** Per-op checkpoint placement for engines that can place anything: each pipeline rank recomputes the least that fits it. */
import type { Chunks } from "../layout/chunks.js";
import type { ParallelPlan, RecomputeLayer } from "../plan.js";
import type { Placement } from "../recompute/modes.js";
import { type LayerOption, layerOptions, type OptionLimits } from "../recompute/options.js";
import { placeRecompute } from "../recompute/place.js";
import { scheduleTraits } from "../schedule/index.js";
import type { Evaluation } from "../types.js";
import { type Frame, fits, roomOf } from "./frame.js";

/** The peak is the evaluation's word: while it is above the capacity, ranks are placed anew with less room. */
const attempts = 8;

/**
 * `kept`: the evaluation with nothing recomputed, whose peaks tell what is not activations. Undefined: no placement fits, or
 * the cost model does not say what ops save.
 */
export function placeLayers(
  frame: Frame,
  parallel: ParallelPlan,
  chunks: Chunks,
  kept: Evaluation,
  look: (placement: Placement) => Evaluation,
  limits: OptionLimits = {},
): void {
  const { context, model } = frame;
  const { stack } = context.policy;
  const costs = new Map(
    [...new Set(stack.slice(1, -1))].map((kind) => {
      const cost = model.layerCost(context, kind, { parallel, contextLength: frame.contextLength });
      return [kind, { cost, options: layerOptions(cost, limits) }] as const;
    }),
  );
  if ([...costs.values()].some(({ cost }) => cost.ops.length === 0)) return;
  const traits = scheduleTraits(parallel.schedule);
  const ranks = Array.from({ length: parallel.pipeline }, (_, rank) => {
    const layers = chunks
      .filter((c) => c.rank === rank)
      .flatMap((c) =>
        stack.map((_, i) => i).filter((i) => i >= c.first && i <= c.last && i > 0 && i < stack.length - 1),
      );
    const inFlight =
      traits.inFlight(rank, parallel.pipeline, parallel.virtual, parallel.accumulation) / parallel.virtual;
    const saved = layers.reduce((sum, i) => sum + costs.get(stack[i]!)!.cost.savedBytes * inFlight, 0);
    const peak = kept.ranks?.[rank]?.peakBytes ?? kept.peakBytes;
    return { layers, inFlight, room: roomOf(frame, kept) - (peak - saved) };
  });
  for (let attempt = 0; attempt < attempts; attempt++) {
    const placement: RecomputeLayer[] = stack.map((_, layer) => ({ layer, mode: "none", ops: [], offload: [] }));
    for (const rank of ranks) {
      const kinds = [...new Set(rank.layers.map((i) => stack[i]!))];
      const groups = kinds.map((kind) => ({
        count: rank.layers.filter((i) => stack[i] === kind).length,
        options: costs.get(kind)!.options,
        inFlight: rank.inFlight,
      }));
      const placed = placeRecompute(groups, rank.room);
      if (placed === undefined) return;
      for (const [g, kind] of kinds.entries()) {
        const chosen = placed.counts[g]!.flatMap((n, o) => new Array<LayerOption>(n).fill(groups[g]!.options[o]!));
        for (const [n, layer] of rank.layers.filter((i) => stack[i] === kind).entries()) {
          const option = chosen[n]!;
          placement[layer] = { layer, mode: option.mode, ops: option.ops, offload: option.offload };
        }
      }
    }
    const evaluation = look(placement);
    if (fits(frame, evaluation)) return;
    const room = roomOf(frame, evaluation);
    const over = evaluation.ranks?.map((r) => r.peakBytes - room) ?? ranks.map(() => evaluation.peakBytes - room);
    for (const [r, rank] of ranks.entries()) if (over[r]! > 0) rank.room -= over[r]!;
  }
}
