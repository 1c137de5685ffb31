/** What one layer can keep and what that costs: every undominated choice of ops to recompute, the whole layer, or offload. */
import type { Bytes, Seconds } from "../../units/index.js";
import type { LayerCost } from "../types.js";

export interface LayerOption {
  readonly mode: "none" | "full" | "ops";
  readonly ops: readonly string[];
  /** Saved tensors of these ops wait in host memory instead. */
  readonly offload: readonly string[];
  /** Kept on the device for each micro-batch in flight. */
  readonly bytes: Bytes;
  /** Added to the backward of one micro-batch. */
  readonly seconds: Seconds;
  /** Comes back for the backward of this layer: held by one layer at a time. */
  readonly transient: Bytes;
}

/** Beyond this the ops that save least are dropped or kept together. */
const mostUnits = 14;

/** Seconds to recompute a set: its ops, and those before them whose outputs nobody kept. */
export function closureSeconds(cost: LayerCost, dropped: ReadonlySet<string>): Seconds {
  const byId = new Map(cost.ops.map((op) => [op.id, op]));
  const needed = new Set<string>();
  const visit = (id: string): void => {
    if (needed.has(id)) return;
    needed.add(id);
    for (const before of byId.get(id)?.needs ?? []) {
      const op = byId.get(before);
      if (op !== undefined && (dropped.has(before) || op.savedBytes === 0)) visit(before);
    }
  };
  for (const id of dropped) visit(id);
  let seconds = 0;
  for (const id of needed) seconds += byId.get(id)?.forwardSeconds ?? 0;
  return seconds;
}

/** Assumed: PCIe 4 ×16 or better, one direction, as reached with pinned memory; bytes per second. */
export const hostBandwidth = 20e9;

export interface OptionLimits {
  /** Only whole layers may be recomputed. */
  readonly wholeOnly?: boolean;
  /** Bytes per second to host memory, where offload is allowed; what the layer's own time hides is free. */
  readonly hostBandwidth?: number;
}

/** The Pareto front of (bytes kept, seconds added, transient), fewest seconds first. */
export function layerOptions(cost: LayerCost, limits: OptionLimits = {}): LayerOption[] {
  const none: LayerOption = { mode: "none", ops: [], offload: [], bytes: cost.savedBytes, seconds: 0, transient: 0 };
  const all = [
    none,
    {
      mode: "full",
      ops: [],
      offload: [],
      bytes: cost.inputBytes,
      seconds: cost.forwardSeconds + cost.forwardCommSeconds,
      transient: Math.max(0, cost.savedBytes - cost.inputBytes),
    } as LayerOption,
  ];
  if (limits.wholeOnly !== true) {
    const units = unitsOf(cost);
    for (let mask = 1; mask < 1 << units.length; mask++) {
      const ops = units.flatMap((unit, i) => ((mask >> i) & 1 ? unit : []));
      const freed = cost.ops.filter((op) => ops.includes(op.id)).reduce((sum, op) => sum + op.savedBytes, 0);
      const seconds = closureSeconds(cost, new Set(ops));
      all.push({ mode: "ops", ops, offload: [], bytes: cost.savedBytes - freed, seconds, transient: freed });
    }
  }
  const { hostBandwidth } = limits;
  if (hostBandwidth !== undefined && hostBandwidth > 0) {
    const copy = cost.savedBytes / hostBandwidth;
    const hidden = Math.min(cost.forwardSeconds, cost.backwardSeconds);
    const ops = cost.ops.filter((op) => op.savedBytes > 0).map((op) => op.id);
    all.push({
      mode: "none",
      ops: [],
      offload: ops,
      bytes: 0,
      seconds: 2 * Math.max(0, copy - hidden),
      transient: cost.savedBytes,
    });
  }
  return undominated(all);
}

function unitsOf(cost: LayerCost): string[][] {
  const saving = cost.ops.filter((op) => op.savedBytes > 0).sort((a, b) => b.savedBytes - a.savedBytes);
  const units = saving.slice(0, mostUnits).map((op) => [op.id]);
  const rest = saving.slice(mostUnits).map((op) => op.id);
  if (rest.length > 0) units[units.length - 1] = [...units.at(-1)!, ...rest];
  return units;
}

export function undominated(all: readonly LayerOption[]): LayerOption[] {
  const sorted = [...all].sort((a, b) => a.seconds - b.seconds || a.bytes - b.bytes || a.transient - b.transient);
  const kept: LayerOption[] = [];
  for (const o of sorted) if (!kept.some((k) => k.bytes <= o.bytes && k.transient <= o.transient)) kept.push(o);
  return kept;
}
