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
  fsdpTax: 0.4,
  stepSeconds: 0.02,
  gradientBytes: 4,
  cachedWeightGradients: false,
  contextBytes: 1.2 * GiB,
  allocatorSlack: 1.06,
  fusedOptimizer: true,
};

/** Fitted values by name of trait; `floor` scales both launch floors, `exposed` is what data parallelism cannot hide. */
export type FittedTraits = Readonly<Record<string, number>>;
const measured: Readonly<Record<string, FittedTraits | undefined>> = fitted.stacks;

export function withFitted(own: StackTraits, f: FittedTraits): StackTraits {
  const floor = f.floor ?? 1;
  return {
    ...own,
    elementwisePasses: f.elementwisePasses ?? own.elementwisePasses,
    fsdpTax: f.fsdpTax ?? own.fsdpTax ?? 0.05,
    stepSeconds: f.stepSeconds ?? own.stepSeconds ?? 0.01,
    weightTraffic: f.weightTraffic ?? own.weightTraffic ?? 6,
    launchFloor: [own.launchFloor[0] * floor, own.launchFloor[1] * floor],
    overlap: { ...own.overlap, dataParallel: Math.max(0, 1 - (f.exposed ?? 1 - own.overlap.dataParallel)) },
    timeFactor: { any: (f.timeFactor ?? 1) * (own.timeFactor?.any ?? 1) },
  };
}

/** As stated, before any fit: what a fit starts from. */
export const statedStacks: Record<string, StackTraits> = {};

/** Traits as stated, then what was fitted on published runs of that stack (`data/fitted.json`). */
/** `like`: never measured itself; it borrows the time factor of its nearest kin. */
export function stack(name: string, { like, ...own }: Partial<StackTraits> & { readonly like?: string }): StackTraits {
  const stated: StackTraits = { ...base, ...own, overlap: { ...base.overlap, ...own.overlap } };
  statedStacks[name] = stated;
  const f = measured[name];
  if (f !== undefined) return withFitted(stated, f);
  const kin = like === undefined ? undefined : measured[like]?.timeFactor;
  return kin === undefined ? stated : withFitted(stated, { timeFactor: kin });
}
