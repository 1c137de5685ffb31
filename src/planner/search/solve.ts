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
import { alone, halvesOf, only } from "./halves.js";
import { Heap } from "./heap.js";
import { type Solved, solveLayout, waysOf } from "./inner.js";
import { groupsOf, type LayoutSpace } from "./layouts.js";
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
  /** Why it is not complete. */
  readonly doubt?: string;
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
  readonly axes: Axes;
  readonly limits: BoundLimits;
  /** Ways of recomputing over all layouts of a group. */
  readonly ways: (pipeline: number, shards: LayoutGroup["shards"], schedules: LayoutGroup["schedules"]) => number;
}

/** A group of layouts, or one layout, that waits for its turn. */
interface Node {
  /** The lower bound of the whole training. */
  readonly key: Seconds;
  readonly step: Seconds;
  readonly rival: Rival;
  readonly ways: number;
  readonly group: LayoutGroup;
  /** The bound knows the memory. */
  readonly tight?: boolean;
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
  /** Work below which layouts of the configurations that compete were not searched to the end. */
  private doubts: Seconds[] = [];
  private unproven = false;
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
    for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
      const { rival } = node;
      const last = found[exactRunners];
      const { peakBytes } = rival.limits;
      // Steps from which on nothing matters.
      const stepSeconds =
        last === undefined
          ? rival.limits.stepSeconds
          : Math.min(rival.limits.stepSeconds, workOf(last) / rival.c.steps);
      if (node.step >= stepSeconds) this.drop(node);
      else if (node.tight !== true) this.tighten(node, { peakBytes, stepSeconds }, queue);
      else if (!alone(node.group)) this.split(node, stepSeconds, queue);
      else if (this.stopped || this.evaluated >= this.limit) {
        this.stopped = true;
        this.count("not looked at: limit reached", node.ways);
      } else this.solve(rival, only(node.group), node.ways, stepSeconds, found);
    }
    const [best] = found;
    const limit = best === undefined ? Number.POSITIVE_INFINITY : workOf(best) * (1 - 1e-9);
    if (this.doubts.some((work) => work < limit)) this.unproven = true;
    this.doubts = [];
    for (const c of group) this.foundBy.set(c, found);
    if (best !== undefined) this.keep(best);
  }

  private rivalOf(c: Configuration): Rival {
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
    const known = new Map<number, number>();
    const one = (chunks: number): number => {
      const n = known.get(chunks) ?? waysOf(frame, chunks);
      known.set(chunks, n);
      return n;
    };
    // Lists of schedules are shared by all groups of a pipeline that accumulate alike.
    const sums = new WeakMap<LayoutGroup["schedules"], number>();
    const ways: Rival["ways"] = (pipeline, shards, schedules) => {
      let sum = sums.get(schedules);
      if (sum === undefined) {
        sum = schedules.reduce((n, s) => n + one(pipeline * s.virtual), 0);
        sums.set(schedules, sum);
      }
      return sum * shards.length;
    };
    // From this step on it is beaten by other machines.
    const stepSeconds = this.choices.length === 0 ? Number.POSITIVE_INFINITY : firstTrue(hopeless);
    const axes = new Axes();
    this.axesBy.set(c, axes);
    return { c, frame, axes, limits: { peakBytes: frame.capacity, stepSeconds }, ways };
  }

  private spaceOf({ context, contextLength, globalBatch, devices, parallel }: Configuration): LayoutSpace {
    return {
      settings: parallel,
      can: context.engine.can,
      spec: this.problem.pipeline.models[this.problem.stage.model.value]!,
      layers: context.policy.stack.length - 2,
      devices,
      contextLength,
      globalBatch,
    };
  }

  /** Queues all groups of a configuration. */
  private enter(rival: Rival, queue: Heap<Node>): void {
    const { c, limits } = rival;
    const reject = (why: string): void => {
      this.considered++;
      this.count(why, 1);
    };
    for (const group of groupsOf({ ...this.spaceOf(c), reject }, c.count)) {
      const ways = rival.ways(group.parallel.pipeline, group.shards, group.schedules);
      this.considered += ways;
      this.queue(rival, group, ways, limits.stepSeconds, 0, queue);
    }
  }

  /** Queues a group by what its time is without regard to memory. */
  private queue(
    rival: Rival,
    group: LayoutGroup,
    ways: number,
    stepSeconds: Seconds,
    atLeast: Seconds,
    queue: Heap<Node>,
  ): void {
    const { c } = rival;
    const quick = { peakBytes: rival.limits.peakBytes, stepSeconds: 0 };
    const step = Math.max(atLeast, this.model.groupBound?.(c.context, group, quick).stepSeconds ?? 0);
    const node = { key: step * c.steps, step, rival, ways, group };
    if (step >= stepSeconds) this.drop(node);
    else queue.push(node);
  }

  /** Bounds a group, or a layout, with its memory; what cannot fit is dropped. */
  private tighten({ rival, group, ways, step: before }: Node, limits: BoundLimits, queue: Heap<Node>): void {
    const { c, axes } = rival;
    const { stepSeconds, peakBytes } = alone(group)
      ? this.model.lowerBound(c.context, { ...group, parallel: only(group) }, limits)
      : (this.model.groupBound?.(c.context, group, limits) ?? { stepSeconds: 0, peakBytes: 0 });
    if (stepSeconds === Number.POSITIVE_INFINITY || peakBytes > limits.peakBytes) {
      this.count(misfit, ways);
      axes.group(group, "smallestMisfit", peakBytes);
      if (this.least === undefined || peakBytes < this.least.peak) this.least = { peak: peakBytes, rival, group };
      return;
    }
    const step = Math.max(before, stepSeconds);
    const node = { key: step * c.steps, step, rival, ways, group, tight: true };
    if (step >= limits.stepSeconds) this.drop(node);
    else queue.push(node);
  }

  private split({ rival, group, step }: Node, stepSeconds: Seconds, queue: Heap<Node>): void {
    for (const half of halvesOf(group)) {
      const ways = rival.ways(half.parallel.pipeline, half.shards, half.schedules);
      this.queue(rival, half, ways, stepSeconds, step, queue);
    }
  }

  private drop({ rival, ways, group, step }: Node): void {
    this.count(beaten, ways);
    rival.axes.group(group, "bound", step);
  }

  private solve(rival: Rival, parallel: ParallelPlan, ways: number, threshold: Seconds, found: Found[]): void {
    const inner = solveLayout(rival.frame, parallel, threshold);
    this.evaluated += inner.evaluated;
    // Offload and uneven splits may try more than the ways to recompute.
    this.considered += Math.max(0, inner.evaluated - ways);
    if (inner.evaluated < ways) this.count("more recomputation than needed", ways - inner.evaluated);
    if (inner.floor !== undefined) this.doubts.push(inner.floor * rival.c.steps);
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
      complete: !this.stopped && !this.unproven,
      ...(this.stopped
        ? { doubt: "stopped at the limit of evaluations" }
        : this.unproven
          ? {
              doubt:
                "with several chunks a rank, splits of layers that are not treated alike were searched, not proven",
            }
          : {}),
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
