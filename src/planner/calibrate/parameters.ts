/** The constants that a fit may move, each with how far it may stray from its stated value. */
import { statedStacks, withFitted } from "../../catalog/engines/index.js";
import type { StackTraits } from "../../catalog/types.js";
import type { Constants } from "../time/rates.js";

export interface Parameter {
  /** `physics.gemm.hopper` or `stack.nemo.floor`. */
  readonly name: string;
  /** Stated value, before fitting. */
  readonly start: number;
  /** Prior standard deviation of its logarithm. */
  readonly spread: number;
}

const physicsSpread: readonly (readonly [RegExp, number])[] = [
  // Measured by few, who disagree.
  [/^gemm8?\.blackwell/, 0.1],
  [/^gemm8?\.cdna3/, 0.2],
  [/^gemm\./, 0.05],
  [/^gemm8\./, 0.07],
  [/^depth\./, 0.4],
  [/^attention\.flash1/, 0.15],
  [/^attention\.(flash|cudnn)/, 0.12],
  [/^attention\.backward/, 0.1],
  [/^attention\.(unfused|passes)/, 0.12],
  [/^attention\.ramp/, 0.2],
  [/^memory\./, 0.05],
  [/^link\.latency/, 0.4],
  [/^link\./, 0.15],
  [/^network\.latency/, 0.7],
  [/^network$/, 0.2],
  [/^(alltoall|moe\.passes)/, 0.25],
  [/^tensor\.reach/, 0.12],
  [/^pipeline\.hop/, 0.5],
  [/^fp8\.casts/, 0.4],
  [/^recipe\./, 0.1],
  [/^(step\.log|ragged)/, 0.7],
  [/^(waves|padding)$/, 0.3],
  [/^attention\.misaligned/, 0.6],
  // A limit that nobody stated.
  [/^power\..*limit/, 0.8],
  [/^power\./, 0.15],
];
const unmeasured = /ada/;

export const stackSpread: Readonly<Record<string, number>> = {
  elementwisePasses: 0.2,
  floor: 0.35,
  fsdpTax: 0.5,
  stepSeconds: 0.5,
  timeFactor: 0.06,
  exposed: 0.7,
  weightTraffic: 0.5,
};

export function parametersOf(constants: Constants, used: ReadonlySet<string>): Parameter[] {
  const list: Parameter[] = [];
  for (const [name, start] of Object.entries(constants)) {
    const spread = physicsSpread.find(([pattern]) => pattern.test(name))?.[1];
    if (spread !== undefined && !unmeasured.test(name)) list.push({ name: `physics.${name}`, start, spread });
  }
  for (const name of used) {
    const traits = statedStacks[name];
    if (traits === undefined) continue;
    for (const [key, spread] of Object.entries(stackSpread))
      list.push({ name: `stack.${name}.${key}`, start: startOf(traits, key), spread });
  }
  return list;
}

function startOf(traits: StackTraits, key: string): number {
  if (key === "elementwisePasses") return traits.elementwisePasses;
  if (key === "fsdpTax") return traits.fsdpTax ?? 0.05;
  if (key === "stepSeconds") return traits.stepSeconds ?? 0.01;
  if (key === "weightTraffic") return traits.weightTraffic ?? 6;
  if (key === "exposed") return Math.max(0.02, 1 - traits.overlap.dataParallel);
  return 1;
}

/** Constants and traits under trial values (logarithms of ratios to the start). */
export function applied(
  parameters: readonly Parameter[],
  values: readonly number[],
  base: Constants,
): { readonly constants: Constants; readonly traits: (name: string, own: StackTraits) => StackTraits } {
  const constants: Record<string, number> = { ...base };
  const byStack = new Map<string, Record<string, number>>();
  for (const [i, p] of parameters.entries()) {
    const value = p.start * Math.exp(values[i]!);
    if (p.name.startsWith("physics.")) constants[p.name.slice(8)] = value;
    else {
      const [, stack, key] = p.name.split(".") as [string, string, string];
      const own = byStack.get(stack) ?? {};
      own[key] = value;
      byStack.set(stack, own);
    }
  }
  return {
    constants,
    traits(name, own) {
      const f = byStack.get(name);
      if (f === undefined) return own;
      const fitted = withFitted(own, f);
      // What a row's own words rule out stays ruled out.
      return own.overlap.dataParallel === 0 ? { ...fitted, overlap: own.overlap } : fitted;
    },
  };
}
