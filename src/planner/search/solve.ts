/**
 * Best-first branch and bound. Within a configuration and a pricing, calendar time and cost both grow with step time, so its
 * fastest layout is its best; configurations compete on a front of time against money. Configurations on the same machines
 * (engines, precisions, lengths) are searched together. Groups of layouts wait in one queue by their lower bound, are spelt
 * out only when it is their turn, and a layout is skipped only when a bound shows that it cannot fit or cannot beat what is
 * known.
 */
import type { Pricing } from "../../checker/pipeline.js";
import type { Bytes, Seconds } from "../../units/index.js";
import type { ParallelPlan } from "../plan.js";
import type { BoundLimits, CostModel, LayoutGroup } from "../types.js";
import { Axes, type AxisRecord } from "./axes.js";
import type { Frame } from "./frame.js";
import { Heap } from "./heap.js";
import { type Solved, solveLayout, waysOf } from "./inner.js";
import { degrees, groupsOf } from "./layouts.js";
import type { Configuration, StageProblem } from "./problem.js";
import { capacityOf, type Offer, offersOf } from "./terms.js";

export interface Choice extends Solved, Offer {
  readonly configuration: Configuration;
  readonly pricing: Pricing;
  readonly stepSeconds: Seconds;
}

/** A layout of a configuration, evaluated. */
export interface Found extends Solved {
  readonly configuration: Configuration;
}

export interface SearchResult {
  /** Time against money, fastest first; empty: nothing fits. */
  readonly front: readonly Choice[];
  /** The best layouts on the machines of a configuration, whatever engine or precision, best first. */
  readonly runnersUp: (of: Configuration) => readonly Found[];
  /** Where nothing fits: the layout with the smallest peak. */
  readonly smallest?: Found;
  readonly considered: number;
  readonly evaluated: number;
  readonly pruned: number;
  readonly reasons: ReadonlyMap<string, number>;
  readonly complete: boolean;
  readonly axes: (of: Configuration) => readonly AxisRecord[];
}

const beaten = "slower than a layout already found, by its lower bound";
const misfit = "cannot fit, whatever is recomputed";

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
/** The best and so many after it are exact; what else was evaluated on the way is only a sample. */
const exactRunners = 1;

export function search(problem: StageProblem, model: CostModel, limit = Number.POSITIVE_INFINITY): SearchResult {
  const state = new State(problem, model, limit);
  // The likely best first: its result prunes the others.
  const order = problem.configurations
    .map((configuration, index) => ({ configuration, index, bound: state.idealSeconds(configuration) }))
    .sort((a, b) => a.bound * a.configuration.devices - b.bound * b.configuration.devices || a.index - b.index);
  const rivals = new Map<string, Configuration[]>();
  for (const { configuration: c } of order) {
    const key = `${c.count} ${c.context.instance.name}`;
    rivals.set(key, [...(rivals.get(key) ?? []), c]);
  }
  for (const group of rivals.values()) state.compete(group);
  return state.result();
}

/** A configuration in the competition. */
interface Rival {
  readonly c: Configuration;
  readonly frame: Frame;
  readonly offers: (step: Seconds) => readonly Offer[];
  readonly axes: Axes;
  /** From this step on it is beaten by other machines. */
  readonly tooSlow: Seconds;
  readonly ways: (chunks: number) => number;
}

/** A group of layouts, or one of them, that waits for its turn. `key`: the lower bound of the whole training. */
interface Node {
  readonly key: Seconds;
  readonly step: Seconds;
  readonly rival: Rival;
  readonly ways: number;
  readonly group?: LayoutGroup;
  readonly parallel?: ParallelPlan;
}

class State {
  private considered = 0;
  private evaluated = 0;
  private readonly reasons = new Map<string, number>();
  private readonly axesBy = new Map<Configuration, Axes>();
  private choices: Choice[] = [];
  private readonly foundBy = new Map<Configuration, readonly Found[]>();
  private smallest: Found | undefined;
  private stopped = false;
  private least: { readonly peak: Bytes; readonly rival: Rival; readonly group: LayoutGroup } | undefined;

  constructor(
    private readonly problem: StageProblem,
    private readonly model: CostModel,
    private readonly limit: number,
  ) {}

  /** Time of training at the full peak rate of all devices. */
  idealSeconds(c: Configuration): Seconds {
    const peak = c.context.accelerator.peakFlops;
    const rate = Math.max(...Object.values(peak).map((v) => v ?? 0), 1);
    return (6 * this.problem.policy.activeParameters * c.globalBatch * c.contextLength * c.steps) / (rate * c.devices);
  }

  /** Finds the best layout of configurations that share their machines. */
  compete(group: readonly Configuration[]): void {
    const queue = new Heap<Node>();
    for (const c of group) this.enter(this.rivalOf(c), queue);
    const found: Found[] = [];
    /** Work from which on nothing matters. */
    const limitOf = ({ c, tooSlow }: Rival): Seconds => {
      const last = found[exactRunners];
      return last === undefined ? tooSlow : Math.min(tooSlow, workOf(last) / c.steps);
    };
    for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
      const { rival, step, ways } = node;
      const threshold = limitOf(rival);
      if (step >= threshold) {
        this.count(beaten, ways);
        if (node.group !== undefined) rival.axes.group(node.group, "bound", step);
        else rival.axes.slow(node.parallel!, step);
      } else if (node.group !== undefined) this.spellOut(rival, node.group, threshold, queue);
      else if (this.stopped || this.evaluated >= this.limit) {
        this.stopped = true;
        this.count("not looked at: limit reached", ways);
      } else this.solve(rival, node.parallel!, ways, threshold, found);
    }
    const [best] = found;
    for (const c of group) this.foundBy.set(c, found);
    if (best !== undefined) this.keep(best);
  }

  private rivalOf(c: Configuration): Rival {
    const axes = new Axes();
    this.axesBy.set(c, axes);
    const { context, count, contextLength, globalBatch } = c;
    const frame: Frame = {
      model: this.model,
      context,
      count,
      contextLength,
      globalBatch,
      capacity: capacityOf(this.problem, c),
    };
    const offers = offersOf(this.problem, c);
    const hopeless = (step: Seconds): boolean =>
      offers(step).every((p) => this.choices.some((q) => q.seconds <= p.seconds && q.money <= p.money));
    const tooSlow = this.choices.length === 0 ? Number.POSITIVE_INFINITY : firstTrue(hopeless);
    const known = new Map<number, number>();
    const ways = (chunks: number): number => {
      const n = known.get(chunks) ?? waysOf(frame, chunks);
      known.set(chunks, n);
      return n;
    };
    return { c, frame, offers, axes, tooSlow, ways };
  }

  /** Bounds the groups of a configuration. */
  private enter(rival: Rival, queue: Heap<Node>): void {
    const { c, frame } = rival;
    const { context, count, contextLength, globalBatch, devices } = c;
    const space = {
      settings: c.parallel,
      can: context.engine.can,
      spec: this.problem.pipeline.models[this.problem.stage.model.value]!,
      layers: context.policy.stack.length - 2,
      devices,
      contextLength,
      globalBatch,
      reject: (why: string) => {
        this.considered++;
        this.count(why, 1);
      },
    };
    const limits: BoundLimits = { peakBytes: frame.capacity, stepSeconds: rival.tooSlow };
    for (const d of degrees(space)) {
      for (const bare of groupsOf(space, d)) {
        const group: LayoutGroup = { ...bare, count };
        let ways = 0;
        for (const s of group.schedules) ways += rival.ways(d.pipeline * s.virtual);
        ways *= group.shards.length;
        this.considered += ways;
        this.wait(rival, group, ways, limits, queue);
      }
    }
  }

  /** Queues a group by its bound, or drops it. */
  private wait(rival: Rival, group: LayoutGroup, ways: number, limits: BoundLimits, queue: Heap<Node>): void {
    const { c, frame, axes } = rival;
    const bound = this.model.groupBound?.(c.context, group, limits) ?? { stepSeconds: 0, peakBytes: 0 };
    if (bound.stepSeconds === Number.POSITIVE_INFINITY || bound.peakBytes > frame.capacity) {
      this.count(misfit, ways);
      axes.group(group, "smallestMisfit", bound.peakBytes);
      if (this.least === undefined || bound.peakBytes < this.least.peak)
        this.least = { peak: bound.peakBytes, rival, group };
    } else if (bound.stepSeconds >= limits.stepSeconds) {
      this.count(beaten, ways);
      axes.group(group, "bound", bound.stepSeconds);
    } else queue.push({ key: bound.stepSeconds * c.steps, step: bound.stepSeconds, rival, ways, group });
  }

  /** A group into its schedules, one schedule into its layouts. */
  private spellOut(rival: Rival, group: LayoutGroup, threshold: Seconds, queue: Heap<Node>): void {
    const { c, frame, axes } = rival;
    const limits: BoundLimits = { peakBytes: frame.capacity, stepSeconds: threshold };
    if (group.schedules.length > 1 && group.shards.length > 1 && this.model.groupBound !== undefined) {
      for (const schedule of group.schedules) {
        const ways = rival.ways(group.parallel.pipeline * schedule.virtual) * group.shards.length;
        this.wait(rival, { ...group, schedules: [schedule] }, ways, limits, queue);
      }
      return;
    }
    for (const schedule of group.schedules) {
      const ways = rival.ways(group.parallel.pipeline * schedule.virtual);
      for (const shard of group.shards) {
        const parallel: ParallelPlan = { ...group.parallel, ...shard, ...schedule };
        const { stepSeconds: step, peakBytes } = this.model.lowerBound(c.context, { ...group, parallel }, limits);
        if (step === Number.POSITIVE_INFINITY || peakBytes > frame.capacity) {
          this.count(misfit, ways);
          axes.misfit(parallel, peakBytes);
          if (this.least === undefined || peakBytes < this.least.peak)
            this.least = { peak: peakBytes, rival, group: { ...group, shards: [shard], schedules: [schedule] } };
        } else if (step >= threshold) {
          this.count(beaten, ways);
          axes.slow(parallel, step);
        } else queue.push({ key: step * c.steps, step, rival, ways, parallel });
      }
    }
  }

  private solve(rival: Rival, parallel: ParallelPlan, ways: number, threshold: Seconds, found: Found[]): void {
    const inner = solveLayout(rival.frame, parallel, threshold);
    this.evaluated += inner.evaluated;
    // Offload and uneven splits may try more than the ways to recompute.
    this.considered += Math.max(0, inner.evaluated - ways);
    if (inner.evaluated < ways) this.count("more recomputation than needed", ways - inner.evaluated);
    if (inner.best !== undefined) {
      insert(found, { ...inner.best, configuration: rival.c });
      rival.axes.fast(parallel, inner.best.evaluation.stepSeconds);
    } else if (inner.smallest !== undefined) {
      rival.axes.misfit(parallel, inner.smallest.evaluation.peakBytes);
      this.keepSmallest({ ...inner.smallest, configuration: rival.c });
    }
  }

  /** The front of time and money. */
  private keep(best: Found): void {
    const { configuration: c, evaluation } = best;
    for (const offer of offersOf(this.problem, c)(evaluation.stepSeconds)) {
      if (this.choices.some((q) => q.seconds <= offer.seconds && q.money <= offer.money)) continue;
      this.choices = this.choices.filter((q) => !(offer.seconds <= q.seconds && offer.money <= q.money));
      this.choices.push({
        ...best,
        ...offer,
        candidate: { ...best.candidate, pricing: offer.pricing },
        stepSeconds: evaluation.stepSeconds,
      });
    }
  }

  private keepSmallest(found: Found): void {
    if (this.smallest === undefined || found.evaluation.peakBytes < this.smallest.evaluation.peakBytes)
      this.smallest = found;
  }

  private count(why: string, n: number): void {
    this.reasons.set(why, (this.reasons.get(why) ?? 0) + n);
  }

  /** Where nothing fits, or a limit ended the search before anything was evaluated: the least of what was bounded. */
  private nearest(): void {
    if (this.choices.length > 0 || this.least === undefined) return;
    const { rival, group } = this.least;
    for (const schedule of group.schedules) {
      for (const shard of group.shards) {
        // Already counted, as what does not fit.
        const inner = solveLayout(rival.frame, { ...group.parallel, ...shard, ...schedule }, Number.POSITIVE_INFINITY);
        const solved = inner.best ?? inner.smallest;
        if (solved !== undefined) this.keepSmallest({ ...solved, configuration: rival.c });
      }
    }
  }

  result(): SearchResult {
    this.nearest();
    return {
      front: [...this.choices].sort((a, b) => a.seconds - b.seconds),
      runnersUp: (of) => this.foundBy.get(of) ?? [],
      ...(this.smallest === undefined ? {} : { smallest: this.smallest }),
      considered: this.considered,
      evaluated: this.evaluated,
      pruned: this.considered - this.evaluated,
      reasons: this.reasons,
      complete: !this.stopped,
      axes: (of) => this.axesBy.get(of)?.all() ?? [],
    };
  }
}

const workOf = ({ configuration, evaluation }: Found): Seconds => evaluation.stepSeconds * configuration.steps;

/** Keeps the list sorted and short; equal times keep the first. */
function insert(found: Found[], solved: Found): void {
  let i = found.length;
  while (i > 0 && workOf(found[i - 1]!) > workOf(solved)) i--;
  found.splice(i, 0, solved);
  if (found.length > runnersKept) found.pop();
}
