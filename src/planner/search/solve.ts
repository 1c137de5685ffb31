/**
 * Branch and bound over configurations and layouts. Within a configuration and a pricing, calendar time and cost both
 * grow with step time, so its fastest layout is its best; configurations compete on a front of time against money.
 * A layout is skipped only when the cost model's lower bound shows that it cannot fit or cannot beat what is known.
 */
import type { Pricing } from "../../checker/pipeline.js";
import type { Bytes, Seconds } from "../../units/index.js";
import { calendar, costFacts, findPrice, type RunConditions, stageUsd } from "../cost/index.js";
import type { ParallelPlan } from "../plan.js";
import type { CostModel } from "../types.js";
import type { Frame } from "./frame.js";
import { type Solved, solveLayout, waysOf } from "./inner.js";
import { degrees, layoutsOf } from "./layouts.js";
import type { Configuration, StageProblem } from "./problem.js";
import { saveEverySeconds } from "./save.js";

export interface Choice extends Solved {
  readonly configuration: Configuration;
  readonly pricing: Pricing;
  readonly stepSeconds: Seconds;
  readonly seconds: Seconds;
  /** Money, or device hours where no price is known. */
  readonly usd: number;
  readonly priced: boolean;
}

export interface SearchResult {
  /** Time against money, fastest first; empty: nothing fits. */
  readonly front: readonly Choice[];
  /** Layouts of a configuration that were evaluated on the way to its best, best first. */
  readonly runnersUp: (of: Configuration) => readonly Solved[];
  /** Where nothing fits: the layout with the smallest peak. */
  readonly smallest?: Solved & { readonly configuration: Configuration };
  readonly considered: number;
  readonly evaluated: number;
  readonly pruned: number;
  readonly reasons: ReadonlyMap<string, number>;
  readonly complete: boolean;
  /** What each value of an axis came to, for the explanations. */
  readonly axes: (of: Configuration) => readonly AxisRecord[];
}

/** Of all layouts with one value of one axis. */
export interface AxisRecord {
  readonly axis: string;
  readonly value: string;
  fastest: Seconds;
  smallestMisfit: Bytes;
  /** Smallest lower bound among layouts skipped for being slower. */
  bound: Seconds;
}

const axisNames = ["tensor", "pipeline", "context", "expert", "micro_batch", "shard", "schedule", "virtual"] as const;

const beaten = "slower than a layout already found, by its lower bound";

/** A step time from which on the condition holds; it holds for all longer ones too. */
function firstTrue(holds: (step: Seconds) => boolean): Seconds {
  let high = 1e-6;
  while (!holds(high)) {
    high *= 2;
    if (high > 1e12) return Number.POSITIVE_INFINITY;
  }
  let low = high / 2;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}

const runnersKept = 6;

export function search(problem: StageProblem, model: CostModel, limit = Number.POSITIVE_INFINITY): SearchResult {
  const state = new State(problem, model, limit);
  // The likely best first: its result prunes the others.
  const order = problem.configurations
    .map((configuration, index) => ({ configuration, index, bound: state.idealSeconds(configuration) }))
    .sort((a, b) => a.bound * a.configuration.devices - b.bound * b.configuration.devices || a.index - b.index);
  // Rivals on the same machines (engines, precisions, lengths) first show their best few: the strongest then prunes the rest.
  const rivals = new Map<string, Configuration[]>();
  for (const { configuration: c } of order) {
    const key = `${c.count} ${c.context.instance.name}`;
    rivals.set(key, [...(rivals.get(key) ?? []), c]);
  }
  for (const group of rivals.values()) {
    const prepared = group.map((c) => state.prepare(c));
    const ranked = group.length === 1 ? prepared : [...prepared].sort((a, b) => state.probe(a) - state.probe(b));
    for (const p of ranked) state.visit(p);
  }
  return state.result();
}

interface Prepared {
  readonly c: Configuration;
  readonly frame: Frame;
  readonly at: (step: Seconds) => readonly { pricing: Pricing; seconds: Seconds; usd: number; priced: boolean }[];
  readonly hopeless: (step: Seconds) => boolean;
  readonly open: readonly { parallel: ParallelPlan; step: Seconds; ways: number }[];
  readonly axes: Map<string, Map<number | string, AxisRecord>>;
}

/** Layouts that a configuration shows of itself before the full pass. */
const probed = 400;

class State {
  private considered = 0;
  private evaluated = 0;
  private readonly reasons = new Map<string, number>();
  private axes = new Map<string, Map<number | string, AxisRecord>>();
  private readonly axesBy = new Map<Configuration, ReadonlyMap<string, ReadonlyMap<number | string, AxisRecord>>>();
  private choices: Choice[] = [];
  private readonly solved = new Map<Configuration, Solved[]>();
  private smallest: (Solved & { configuration: Configuration }) | undefined;
  private stopped = false;

  constructor(
    private readonly problem: StageProblem,
    private readonly model: CostModel,
    private readonly limit: number,
  ) {}

  /** Time of a step at the full peak rate of all devices. */
  idealSeconds(c: Configuration): Seconds {
    const peak = c.context.accelerator.peakFlops;
    const rate = Math.max(...Object.values(peak).map((v) => v ?? 0), 1);
    return (6 * this.problem.policy.activeParameters * c.globalBatch * c.contextLength * c.steps) / (rate * c.devices);
  }

  private terms(
    c: Configuration,
    pricing: Pricing,
  ): { conditions: RunConditions; usd: (total: Seconds) => number; priced: boolean } {
    const conditions = conditionsOf(this.problem, c, pricing);
    const price = findPrice(this.problem.hardware, c.context.instance.name, pricing, regionOf(this.problem));
    const priced = conditions.local || (price?.usdPerHour ?? null) !== null;
    const usd = (total: Seconds): number =>
      stageUsd(price, c.count, pricing, conditions, total) ?? (total * c.devices) / 3600;
    return { conditions, usd, priced };
  }

  /** Enumerates and bounds the layouts of a configuration. */
  prepare(c: Configuration): Prepared {
    this.axes = new Map();
    this.axesBy.set(c, this.axes);
    const { context, count, contextLength, globalBatch, devices } = c;
    const frame: Frame = {
      model: this.model,
      context,
      count,
      contextLength,
      globalBatch,
      capacity: capacityOf(this.problem, c),
    };
    const terms = this.problem.pricings.map((pricing) => ({ pricing, ...this.terms(c, pricing) }));
    const at = (step: Seconds) =>
      terms.map((t) => {
        const { totalSeconds } = calendar(step * c.steps, withSave(this.problem, t.conditions, step));
        return { pricing: t.pricing, seconds: totalSeconds, usd: t.usd(totalSeconds), priced: t.priced };
      });
    /** A layout this slow would be beaten under every pricing by what is known from other configurations. */
    const hopeless = (step: Seconds): boolean =>
      at(step).every((p) => this.choices.some((q) => q.seconds <= p.seconds && q.usd <= p.usd));
    const tooSlow = this.choices.length === 0 ? Number.POSITIVE_INFINITY : firstTrue(hopeless);
    const space = {
      settings: this.problem.stage.parallel,
      can: context.engine.can,
      spec: this.problem.pipeline.models[this.problem.stage.model.value]!,
      layers: context.policy.stack.length - 2,
      devices,
      contextLength,
      globalBatch,
      reject: (why: string) => this.count(why, 0),
    };
    // Bounds first, then from the most to the least promising: the first evaluations then prune nearly all the rest.
    const open: { parallel: ParallelPlan; step: Seconds; ways: number }[] = [];
    for (const d of degrees(space)) {
      for (const parallel of layoutsOf(space, d)) {
        const ways = waysOf(frame, parallel);
        this.considered += ways;
        const bound = this.model.lowerBound(context, { count, contextLength, globalBatch, parallel });
        if (bound.peakBytes > frame.capacity) {
          this.count("cannot fit, whatever is recomputed", ways);
          this.misfit(parallel, bound.peakBytes);
          this.remember(frame, c, parallel, bound.peakBytes);
          continue;
        }
        if (bound.stepSeconds >= tooSlow) {
          this.count(beaten, ways);
          this.slow(parallel, bound.stepSeconds);
          continue;
        }
        open.push({ parallel, step: bound.stepSeconds, ways });
      }
    }
    open.sort((a, b) => a.step - b.step);
    return { c, frame, at, hopeless, open, axes: this.axes };
  }

  /** Work of the fastest of the first few layouts; they are looked at again in the full pass, from the cost model's caches. */
  probe({ c, frame, open }: Prepared): number {
    let best = Number.POSITIVE_INFINITY;
    for (const { parallel } of open.slice(0, probed)) {
      const { best: solved } = solveLayout(frame, parallel, best);
      if (solved !== undefined) best = solved.evaluation.stepSeconds;
    }
    return best * c.steps;
  }

  visit({ c, frame, at, hopeless, open, axes }: Prepared): void {
    if (this.stopped) return;
    this.axes = axes;
    const tooSlow = this.choices.length === 0 ? Number.POSITIVE_INFINITY : firstTrue(hopeless);
    const found: Solved[] = [];
    const threshold = (): Seconds => Math.min(tooSlow, found[0]?.evaluation.stepSeconds ?? Number.POSITIVE_INFINITY);
    for (const { parallel, step, ways } of open) {
      if (step >= threshold()) {
        this.count(beaten, ways);
        this.slow(parallel, step);
        continue;
      }
      if (this.evaluated >= this.limit) {
        this.stopped = true;
        this.count("not looked at: limit reached", ways);
        continue;
      }
      const inner = solveLayout(frame, parallel, threshold());
      this.evaluated += inner.evaluated;
      if (inner.evaluated < ways) this.count("more recomputation than needed", ways - inner.evaluated);
      if (inner.best !== undefined) {
        insert(found, inner.best);
        this.fast(parallel, inner.best.evaluation.stepSeconds);
      } else if (inner.smallest !== undefined) {
        this.misfit(parallel, inner.smallest.evaluation.peakBytes);
        this.keepSmallest(inner.smallest, c);
      }
    }
    const [best] = found;
    if (best === undefined) return;
    this.solved.set(c, found);
    for (const p of at(best.evaluation.stepSeconds)) {
      const choice: Choice = {
        ...best,
        candidate: { ...best.candidate, pricing: p.pricing },
        configuration: c,
        pricing: p.pricing,
        stepSeconds: best.evaluation.stepSeconds,
        seconds: p.seconds,
        usd: p.usd,
        priced: p.priced,
      };
      if (this.choices.some((q) => q.seconds <= choice.seconds && q.usd <= choice.usd)) continue;
      this.choices = this.choices.filter((q) => !(choice.seconds <= q.seconds && choice.usd <= q.usd));
      this.choices.push(choice);
    }
  }

  private leastBound = Number.POSITIVE_INFINITY;
  private least: { frame: Frame; configuration: Configuration; parallel: ParallelPlan } | undefined;

  /** The most nearly fitting of the layouts that were never evaluated. */
  private remember(frame: Frame, configuration: Configuration, parallel: ParallelPlan, peak: Bytes): void {
    if (peak >= this.leastBound) return;
    this.leastBound = peak;
    this.least = { frame, configuration, parallel };
  }

  private keepSmallest(solved: Solved, configuration: Configuration): void {
    if (this.smallest === undefined || solved.evaluation.peakBytes < this.smallest.evaluation.peakBytes)
      this.smallest = { ...solved, configuration };
  }

  private count(why: string, n: number): void {
    this.reasons.set(why, (this.reasons.get(why) ?? 0) + Math.max(n, why.includes("divide") ? 1 : n));
  }

  private record(axis: string, value: number | string): AxisRecord {
    let values = this.axes.get(axis);
    if (values === undefined) {
      values = new Map();
      this.axes.set(axis, values);
    }
    let record = values.get(value);
    if (record === undefined) {
      const never = Number.POSITIVE_INFINITY;
      record = { axis, value: String(value), fastest: never, smallestMisfit: never, bound: never };
      values.set(value, record);
    }
    return record;
  }
  private each(p: ParallelPlan, change: (r: AxisRecord) => void): void {
    for (const axis of axisNames) change(this.record(axis, p[axis]));
  }
  private fast(p: ParallelPlan, step: Seconds): void {
    this.each(p, (r) => {
      r.fastest = Math.min(r.fastest, step);
    });
  }
  private slow(p: ParallelPlan, step: Seconds): void {
    this.each(p, (r) => {
      r.bound = Math.min(r.bound, step);
    });
  }
  private misfit(p: ParallelPlan, peak: Bytes): void {
    this.each(p, (r) => {
      r.smallestMisfit = Math.min(r.smallestMisfit, peak);
    });
  }

  result(): SearchResult {
    // A limit may end the search before anything was evaluated.
    if (this.choices.length === 0 && this.least !== undefined) {
      const { frame, configuration, parallel } = this.least;
      const inner = solveLayout(frame, parallel, Number.POSITIVE_INFINITY);
      this.evaluated += inner.evaluated;
      const solved = inner.best ?? inner.smallest;
      if (solved !== undefined) this.keepSmallest(solved, configuration);
    }
    const frontier = [...this.choices].sort((a, b) => a.seconds - b.seconds);
    return {
      front: frontier,
      runnersUp: (of) => this.solved.get(of) ?? [],
      ...(this.smallest === undefined ? {} : { smallest: this.smallest }),
      considered: this.considered,
      evaluated: this.evaluated,
      pruned: Math.max(0, this.considered - this.evaluated),
      reasons: this.reasons,
      complete: !this.stopped,
      axes: (of) => [...(this.axesBy.get(of)?.values() ?? [])].flatMap((values) => [...values.values()]),
    };
  }
}

/** Keeps the list sorted and short; equal times keep the first. */
function insert(found: Solved[], solved: Solved): void {
  let i = found.length;
  while (i > 0 && found[i - 1]!.evaluation.stepSeconds > solved.evaluation.stepSeconds) i--;
  found.splice(i, 0, solved);
  if (found.length > runnersKept) found.pop();
}

export const regionOf = (problem: StageProblem): string => problem.cluster.region?.value ?? "us-east-1";

/** What the plan may use of a device's memory. */
export function capacityOf(problem: StageProblem, c: Configuration): Bytes {
  const device = c.context.instance.acceleratorMemoryBytes ?? c.context.accelerator.memoryBytes;
  const budget = problem.pipeline.budget.memory?.value;
  if (budget === undefined) return device;
  return Math.min(device, budget.unit === "ratio" ? device * budget.amount : budget.amount);
}

/** Weights in 2 bytes, master copy and optimizer state of what is trained in 12. */
const checkpointBytes = (problem: StageProblem): Bytes =>
  2 * problem.policy.parameters + 12 * problem.policy.trainableParameters;

export function conditionsOf(problem: StageProblem, c: Configuration, pricing: Pricing): RunConditions {
  const price = findPrice(problem.hardware, c.context.instance.name, pricing, regionOf(problem));
  return {
    devices: c.devices,
    machines: c.count,
    spot: pricing === "spot",
    interruptionsPerHour: price?.interruptionsPerHour ?? defaultInterruptions,
    checkpointBytes: checkpointBytes(problem),
    local: problem.cluster.provider.value === "local",
  };
}

const defaultInterruptions = costFacts.spotInterruptionsPerHour.value;

export const withSave = (problem: StageProblem, conditions: RunConditions, step: Seconds): RunConditions => {
  const saveEvery = saveEverySeconds(problem.stage, step);
  return saveEvery === undefined ? conditions : { ...conditions, saveEvery };
};
