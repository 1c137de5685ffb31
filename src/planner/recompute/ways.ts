/** Families of recomputation that an engine offers, each ordered from the least to the most recomputed. */
import type { Recompute } from "../../checker/pipeline.js";
import type { ModelGraph } from "../../model/graph.js";
import type { Chunks } from "../layout/chunks.js";
import { everyNth, firstOfChunks, full, none, type Placement, requested, selective } from "./modes.js";

export interface Family {
  readonly name: string;
  readonly size: (chunks: Chunks) => number;
  /** The k-th member, k from 0. */
  readonly member: (k: number, chunks: Chunks) => Placement;
  /** The same for any split: `first` so many layers of each chunk are recomputed. Absent: it is the same in all. */
  readonly first?: (k: number) => number;
}

/** Placements that do not depend on the layout are made once for a model. */
const made = new WeakMap<ModelGraph, Map<string, Placement>>();
function once(graph: ModelGraph, key: string, make: () => Placement): Placement {
  const known = made.get(graph) ?? new Map<string, Placement>();
  made.set(graph, known);
  const placement = known.get(key) ?? make();
  known.set(key, placement);
  return placement;
}

const single = (name: string, placement: Placement): Family => ({ name, size: () => 1, member: () => placement });

/** `auto`: all that the engine can do; a fixed or listed way: that one. */
export function families(
  graph: ModelGraph,
  can: readonly string[],
  setting: readonly Recompute[] | undefined,
): readonly Family[] {
  if (setting !== undefined) return setting.map((r) => single(r.kind, requested(graph, r)));
  const layers = graph.stack.length - 2;
  const all: Family[] = [];
  const offers = (mode: string): boolean => can.includes(mode) || can.includes("perLayer");
  if (offers("none") || can.length === 0)
    all.push(
      single(
        "none",
        once(graph, "none", () => none(graph)),
      ),
    );
  if (offers("selective"))
    all.push(
      single(
        "selective",
        once(graph, "selective", () => selective(graph)),
      ),
    );
  if (offers("every") && layers > 2) {
    // Every 2nd layer is the most; every `layers`-th is one layer only.
    const steps = distinctSteps(layers);
    all.push({
      name: "every",
      size: () => steps.length,
      member: (k) => once(graph, `every ${steps[k]}`, () => everyNth(graph, steps[k]!)),
    });
  }
  if (offers("block") && layers > 1) {
    const most = (chunks: Chunks): number =>
      Math.max(...chunks.map((c) => Math.min(c.last, layers) - Math.max(c.first, 1) + 1));
    all.push({
      name: "block",
      size: (chunks) => Math.max(0, most(chunks) - 1),
      member: (k, chunks) => firstOfChunks(graph, chunks, k + 1),
      first: (k) => k + 1,
    });
  }
  if (offers("full"))
    all.push(
      single(
        "full",
        once(graph, "full", () => full(graph)),
      ),
    );
  return all;
}

/** Values of n for "every n-th layer" that recompute different numbers of layers, fewest first; n = 1 is `full`. */
function distinctSteps(layers: number): readonly number[] {
  const steps: number[] = [];
  let last = 0;
  for (let n = layers; n >= 2; n--) {
    const recomputed = Math.ceil(layers / n);
    if (recomputed !== last) steps.push(n);
    last = recomputed;
  }
  return steps;
}
