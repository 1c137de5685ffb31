/** From productive time to calendar time: saves, failures, interruptions, restarts, warm-up. */
import type { Seconds } from "../../units/index.js";
import { costFacts } from "./facts.js";

export interface RunConditions {
  readonly devices: number;
  readonly machines: number;
  readonly spot: boolean;
  /** Spot interruptions per machine and hour. */
  readonly interruptionsPerHour: number;
  /** A checkpoint of weights and optimizer state. */
  readonly checkpointBytes: number;
  /** As the file says; undefined: the best interval. Infinity: never. */
  readonly saveEvery?: Seconds;
  /** On this machine nothing is started, replaced or waited for. */
  readonly local: boolean;
}

export interface Goodput {
  readonly totalSeconds: Seconds;
  /** Productive share of calendar time. */
  readonly goodput: number;
  readonly saveEvery: Seconds;
  readonly saves: Seconds;
  readonly lost: Seconds;
  readonly warmup: Seconds;
  /** Expected stops over the whole run. */
  readonly stops: number;
  readonly mtbfSeconds: Seconds;
}

const hour = 3600;

/** Stops per second of the whole job, and the mean seconds that one costs apart from lost work. */
export function stopRate(c: RunConditions): { readonly perSecond: number; readonly restart: Seconds } {
  if (c.local) return { perSecond: 0, restart: 0 };
  const failures = c.devices / costFacts.deviceHoursPerFailure.value / hour;
  const taken = c.spot ? (c.machines * c.interruptionsPerHour) / hour : 0;
  const perSecond = failures + taken;
  const restart = (failures * costFacts.restartSeconds.value + taken * costFacts.spotRestartSeconds.value) / perSecond;
  return { perSecond, restart };
}

export const saveSeconds = (c: RunConditions): Seconds =>
  c.local ? 0 : 5 + c.checkpointBytes / (c.machines * costFacts.saveBytesPerSecond.value);

/** Young 1974, Daly 2006 (first order): the interval between saves that loses least. */
export const bestSaveInterval = (save: Seconds, mtbf: Seconds): Seconds => Math.sqrt(2 * save * mtbf);

/**
 * Calendar time of `work` productive seconds. In each second of calendar time a share δ/τ goes into saves, and each stop
 * costs the restart and on average half an interval of work.
 */
export function calendar(work: Seconds, c: RunConditions): Goodput {
  const { perSecond, restart } = stopRate(c);
  const save = saveSeconds(c);
  const mtbf = perSecond > 0 ? 1 / perSecond : Number.POSITIVE_INFINITY;
  const saveEvery = c.saveEvery ?? (Number.isFinite(mtbf) ? Math.max(60, bestSaveInterval(save, mtbf)) : work);
  const warmup = c.local ? 0 : costFacts.warmupSeconds.value;
  const interval = Math.min(saveEvery, work);
  const saves = Number.isFinite(saveEvery) && saveEvery > 0 ? (work / saveEvery) * save : 0;
  const perStop = restart + interval / 2;
  // Stops also hit the time that stops cost: a geometric series, endless once a stop is due before the last is mended.
  const share = perSecond * perStop;
  const running = work + saves;
  const total = share < 0.98 ? running / (1 - share) : running / 0.02;
  return {
    totalSeconds: total + warmup,
    goodput: work / (total + warmup),
    saveEvery,
    saves,
    lost: total - running,
    warmup,
    stops: total * perSecond,
    mtbfSeconds: mtbf,
  };
}
