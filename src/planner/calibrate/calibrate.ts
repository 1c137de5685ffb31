/** A factor for each software stack and accelerator, from as few as one measured run: what `llmp calibrate` writes. */
import type { CalibrationFile } from "../types.js";
import { normalRun } from "./normal.js";
import { predictRun } from "./predict.js";
import { measuredSeconds, type Run } from "./run.js";

const median = (list: readonly number[]): number => {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/** Standard deviations of logarithms of measured over predicted. */
interface Scatter {
  /** How layouts of one cluster scatter around its factor. */
  readonly within: number;
  /** How clusters scatter around the prediction: most a little, some by a lot (another version, a power limit). */
  readonly clusters: readonly { readonly share: number; readonly spread: number }[];
}
const time: Scatter = {
  within: 0.08,
  clusters: [
    { share: 0.75, spread: 0.06 },
    { share: 0.25, spread: 0.3 },
  ],
};
/** Bytes are counted: what is off for one layout (a kept buffer, another version) is nearly as much off for the next. */
const memory: Scatter = {
  within: 0.025,
  clusters: [
    { share: 0.75, spread: 0.03 },
    { share: 0.25, spread: 0.15 },
  ],
};

/**
 * What of a measured deviation to believe: the posterior mean. A single run that is off by a few per cent says little about the
 * next layout, one that is off by a third says that the cluster is: chosen on tables left out of the fit.
 */
export function believed(list: readonly number[], { within, clusters }: Scatter = time): number {
  const seen = median(list);
  const noise = within ** 2 / list.length;
  let weights = 0;
  let sum = 0;
  for (const { share, spread } of clusters) {
    const variance = spread ** 2 + noise;
    const weight = (share * Math.exp((-0.5 * seen ** 2) / variance)) / Math.sqrt(variance);
    weights += weight;
    sum += (weight * spread ** 2) / variance;
  }
  return weights > 0 ? (seen * sum) / weights : seen;
}

interface Group {
  readonly engine: string;
  readonly accelerator: string;
  readonly time: number[];
  readonly memory: number[];
}

export function calibrateRuns(runs: readonly Run[], fittedOn: string): CalibrationFile {
  const groups = new Map<string, Group>();
  for (const run of runs.map(normalRun)) {
    const p = predictRun(run);
    if ("lacks" in p) continue;
    const seconds = measuredSeconds(run);
    const gib = run.measured_peak_memory_gib_per_gpu;
    if (seconds === undefined && typeof gib !== "number") continue;
    const { stack, machine } = p.prepared;
    const key = `${stack}\t${machine.name}`;
    const group = groups.get(key) ?? { engine: stack, accelerator: machine.name, time: [], memory: [] };
    groups.set(key, group);
    if (seconds !== undefined) group.time.push(Math.log(seconds / p.seconds));
    if (typeof gib === "number" && gib > 0) group.memory.push(Math.log(gib / p.gib));
  }
  return {
    schema: "llmp.calibration/1",
    fittedOn,
    stacks: [...groups.values()].map((g) => {
      const seconds = g.time.length === 0 ? 0 : believed(g.time);
      const bytes = g.memory.length === 0 ? 0 : believed(g.memory, memory);
      return {
        engine: g.engine,
        accelerator: g.accelerator,
        timeFactor: Math.exp(seconds),
        memoryOffsetBytes: 0,
        memoryFactor: Math.exp(bytes),
        timeResiduals: g.time.map((x) => Math.exp(seconds - x) - 1),
        memoryResiduals: g.memory.map((x) => Math.exp(bytes - x) - 1),
        rows: Math.max(g.time.length, g.memory.length),
      };
    }),
  };
}
