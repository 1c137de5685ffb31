/** How far off a prediction may be, as logarithms of measured over predicted: 80% intervals. */
import residuals from "./data/residuals.json" with { type: "json" };
import type { Prepared } from "./job-of-run.js";
import type { MemoryKind } from "./run.js";

export interface Spread {
  /** Centre and half-width of ln(measured / predicted). */
  readonly centre: number;
  readonly half: number;
}

interface Group {
  readonly rows: number;
  readonly low: number;
  readonly high: number;
}
const byStack: Readonly<Record<string, Group | undefined>> = residuals.fitted;

/** What a generation of accelerators adds: constants fitted on many publishers, on few that disagree, on none. */
const byGeneration: Readonly<Record<string, number | undefined>> = {
  ampere: 0,
  hopper: 0,
  blackwell: 0.08,
  cdna3: 0.12,
};

/** Another publisher's cluster, version, settings: what left-out publishers show beyond the residuals inside a table. */
const between = 0.1;

/** Half-width for a stack on a generation of accelerators, both perhaps never measured. */
function halfOf(stack: string, generation: string, known: boolean, moe: boolean): number {
  const group = byStack[stack];
  const inside = group === undefined || group.rows < 4 ? 0.1 : (Math.log1p(group.high) - Math.log1p(group.low)) / 2;
  const parts = [inside, between];
  if (!known || group === undefined) parts.push(0.2);
  parts.push(byGeneration[generation] ?? 0.2);
  if (moe) parts.push(0.12);
  return Math.min(0.6, Math.hypot(...parts));
}

const hasMoe = (p: Prepared): boolean => Object.values(p.shape.kinds).some((k) => k.moe !== undefined);

export const timeSpread = (p: Prepared): Spread => ({
  centre: 0,
  half: halfOf(p.stack, p.machine.generation, p.known, hasMoe(p)),
});

/** The same for a plan: measured over predicted, and on how many published runs it stands. */
export function publishedSpread(
  engine: string,
  generation: string,
): { readonly time: readonly [number, number]; readonly rows: number } {
  const half = halfOf(engine, generation, true, false);
  return { time: [Math.exp(-half), Math.exp(half)], rows: byStack[engine]?.rows ?? 0 };
}

/** Allocated bytes of a Megatron program are a closed form; other stacks and other readings vary. */
export function memorySpread(p: Prepared, kind: MemoryKind): Spread {
  const exact = p.traits.cachedWeightGradients;
  const parts = [exact ? 0.02 : p.stack === "torchtitan" ? 0.15 : p.stack === "megatron-2022" ? 0.05 : 0.08];
  if (kind === "reserved") parts.push(0.04);
  if (kind === "driver") parts.push(p.stack === "megatron-2022" ? 0.04 : 0.1);
  if (!p.known) parts.push(0.08);
  if (hasMoe(p)) parts.push(0.06);
  return { centre: 0, half: Math.hypot(...parts) };
}
