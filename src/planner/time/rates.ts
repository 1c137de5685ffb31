/** What one device, its links and its software reach: fitted constants resolved for one machine, stack and precision. */
import type { StackActivations, StackState, StackTraits } from "../../catalog/types.js";
import fitted from "../calibrate/data/physics.json" with { type: "json" };

/** Constants by name; see `calibrate/data/physics.json` for each one's meaning and what it was fitted on. */
export type Constants = Readonly<Record<string, number>>;
export const defaultConstants: Constants = fitted.constants;

export interface Machine {
  readonly name: string;
  readonly generation: string;
  readonly peakFlops: Readonly<Record<string, number | undefined>>;
  readonly memoryBytes: number;
  readonly memoryBandwidth: number;
  /** One direction, per device, bytes per second. */
  readonly intraBandwidth: number;
  /** Devices in one fast domain. */
  readonly domain: number;
  readonly perNode: number;
  /** One direction, whole node. */
  readonly nodeBandwidth: number;
  /** 1, or less where the chip is held below its power limit. */
  readonly power: number;
}

export interface Rates {
  readonly machine: Machine;
  readonly stack: FullTraits;
  readonly constants: Constants;
  /** FLOP/s of large matrix products in the compute type and in bf16. */
  readonly gemm: number;
  readonly gemm16: number;
  readonly depth: number;
  /** Exponents of how much a part-empty last wave and padded edges cost. */
  readonly waves: number;
  readonly padding: number;
  readonly units: number;
  readonly attention: number;
  readonly attentionBackward: number;
  readonly attentionRamp: number;
  /** Exponent of how much heads smaller than 128 cost. */
  readonly attentionNarrow: number;
  readonly memory: number;
  readonly lowPrecision: boolean;
  /** Activations are in 32 bits. */
  readonly wide: boolean;
  readonly castPasses: number;
  readonly link: number;
  readonly linkLatency: number;
  readonly network: number;
  readonly networkLatency: number;
  readonly factor: number;
}

export type FullTraits = StackTraits & {
  readonly ffnPasses: number;
  readonly lossPasses: number;
  readonly fsdpTax: number;
  readonly stepSeconds: number;
  readonly weightTraffic: number;
  readonly activations: StackActivations;
  readonly selective: NonNullable<StackTraits["selective"]>;
  readonly state?: StackState;
};

/** Megatron's own counts (Korthikanti et al. 2022) with flash attention. */
export const usualActivations: StackActivations = {
  hidden: 8,
  gated: 6,
  plain: 4,
  dropout: 2,
  head: 4,
  score: 5,
};

export const fillTraits = (stack: StackTraits): FullTraits => ({
  ffnPasses: 4,
  lossPasses: 6,
  fsdpTax: 0.05,
  stepSeconds: 0.01,
  weightTraffic: 6,
  selective: { kept: 1, again: 1, unit: "attention" },
  ...stack,
  activations: stack.activations ?? usualActivations,
});

/** Streaming multiprocessors (or their like) that a wave of tiles fills; NVIDIA's and AMD's white papers. */
const units: Readonly<Record<string, number>> = {
  volta: 80,
  ampere: 108,
  hopper: 132,
  blackwell: 148,
  cdna3: 304,
  ada: 142,
  // One or two systolic arrays: no waves to fill.
  trainium1: 1,
  trainium2: 2,
  tpu: 2,
  gaudi: 2,
};

const known = new Set(["ampere", "hopper", "blackwell"]);
/** The older a kernel, the less of the tensor cores it keeps busy at any head size. */
const narrow: Readonly<Record<string, number>> = { flash1: 0.1, flash2: 0.3 };

/** Share of its speed that attention's backward keeps where it sums in a fixed order (assumed; published ratios are 0.7 to 0.9). */
const ordered = 0.8;

/** Generations that were never fitted borrow the constants of the nearest one. */
const near = (generation: string): string =>
  known.has(generation)
    ? generation
    : ({ volta: "ampere", turing: "ampere", ada: "ampere", cdna2: "ampere", cdna3: "cdna3", trainium2: "hopper" }[
        generation
      ] ?? "ampere");

export function ratesOf(
  machine: Machine,
  stackTraits: StackTraits,
  compute: string,
  constants: Constants = defaultConstants,
): Rates {
  const stack = fillTraits(stackTraits);
  const power = machine.power * (constants[`power.${machine.name}`] ?? 1);
  const g = near(machine.generation);
  const c = (name: string): number => constants[`${name}.${g}`] ?? constants[name] ?? 1;
  const peak16 = machine.peakFlops.bf16 ?? machine.peakFlops.fp16 ?? machine.peakFlops.tf32 ?? 1e14;
  const wide = compute === "fp32" || compute === "tf32";
  const low = (compute === "fp8" || compute === "mxfp8" || compute === "nvfp4") && g !== "ampere";
  const base = wide ? (machine.peakFlops[compute] ?? machine.peakFlops.tf32 ?? peak16 / 2) : peak16;
  const gemm16 = base * c("gemm") * power;
  const peak8 = machine.peakFlops.fp8 ?? 2 * peak16;
  const recipe =
    compute === "nvfp4"
      ? 1.5 * c("recipe.nvfp4")
      : compute === "mxfp8"
        ? c("recipe.mxfp8")
        : stack.rowwise === true
          ? c("recipe.rowwise")
          : 1;
  const gemm = low ? peak8 * c("gemm8") * recipe * power : gemm16;
  const chosen = stack.attention === "unfused" ? "unfused" : (stack.attentionOn?.[g] ?? stack.attention);
  const kernel = chosen === "tfjs" ? "unfused" : chosen;
  const reach = c(`attention.${kernel}`);
  const factor = stack.timeFactor?.[g] ?? stack.timeFactor?.any ?? 1;
  return {
    machine,
    stack,
    constants,
    gemm,
    gemm16,
    depth: c("depth") * (low ? 2 : 1),
    waves: constants.waves ?? 0.8,
    padding: constants.padding ?? 0.8,
    units: units[machine.generation] ?? 108,
    attention: peak16 * reach * power,
    attentionBackward:
      peak16 * reach * (constants["attention.backward"] ?? 0.8) * power * (stack.deterministic === true ? ordered : 1),
    attentionRamp: constants["attention.ramp"] ?? 400,
    attentionNarrow: narrow[chosen] ?? 0.5,
    memory: machine.memoryBandwidth * c("memory"),
    lowPrecision: low,
    wide,
    castPasses: low ? (stack.casts ?? 1) * (constants["fp8.casts"] ?? 3) * (compute === "fp8" ? 1 : 1.3) : 0,
    link: machine.intraBandwidth * c("link"),
    linkLatency: constants["link.latency"] ?? 15e-6,
    network: machine.nodeBandwidth * (constants.network ?? 0.7),
    networkLatency: constants["network.latency"] ?? 30e-6,
    factor,
  };
}
