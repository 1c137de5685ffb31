import type { StackTraits } from "../../types.js";
import fitted from "./data/fitted.json" with { type: "json" };

const GiB = 1024 ** 3;

/** What most stacks share; each file states where its own differs. */
const base: StackTraits = {
  attention: "flash2",
  compiled: false,
  lossBytesPerLogit: 8,
  elementwisePasses: 14,
  ffnPasses: 4,
  lossPasses: 6,
  launchFloor: [0.0004, 0.0007],
  overlap: { dataParallel: 0.8, fsdpPrefetch: true, tensorParallel: 0, pipeline: 0, expert: 0 },
  fsdpTax: 0.08,
  stepSeconds: 0.02,
  gradientBytes: 4,
  cachedWeightGradients: false,
  contextBytes: 1.2 * GiB,
  allocatorSlack: 1.06,
  fusedOptimizer: true,
};

interface Fitted {
  readonly timeFactor?: Readonly<Record<string, number>>;
  readonly elementwisePasses?: number;
  readonly ffnPasses?: number;
  readonly fsdpTax?: number;
  readonly stepSeconds?: number;
  readonly floor?: number;
  readonly dataParallel?: number;
}
const measured: Readonly<Record<string, Fitted | undefined>> = fitted.stacks;

/** Traits as stated, then what was fitted on published runs of that stack (`data/fitted.json`). */
export function stack(name: string, own: Partial<StackTraits>): StackTraits {
  const stated: StackTraits = { ...base, ...own, overlap: { ...base.overlap, ...own.overlap } };
  const f = measured[name];
  if (f === undefined) return stated;
  const { floor = 1, dataParallel, ...rest } = f;
  const [forward, backward] = stated.launchFloor;
  return {
    ...stated,
    ...rest,
    launchFloor: [forward * floor, backward * floor],
    overlap: { ...stated.overlap, ...(dataParallel === undefined ? {} : { dataParallel }) },
  };
}
