/**
 * Below every candidate of given degrees, whatever its split of layers, recomputation, and (for a group) sharding and
 * schedule. The bound on time knows the memory: ranks hold real numbers of layers and recompute real shares of them, under
 * each rank's memory; the least time of the slowest rank in which they still hold the whole stack is found by bisection.
 */

import { gathersWeights } from "../layout/index.js";
import { roomBytes } from "../memory/device.js";
import { gathers, inFlight, keptBytes, passedBytes } from "../memory/rank.js";
import { scheduleTraits } from "../schedule/index.js";
import type { Bound, BoundLimits, Candidate, LayoutGroup, StageContext } from "../types.js";
import { gatherGroup, gatherTraffic, isSharded, underGather } from "./gather.js";
import { type Job, type LayerNumbers, layerNumbers, type Part } from "./job.js";
import { jobOfDegrees } from "./job-of-candidate.js";
import { passSeconds } from "./phases.js";
import type { ModelShape } from "./shape.js";
import { again, bubbleSeconds, dataSeconds, fixedSeconds, optimizerSeconds, raggedness } from "./step.js";

const counts = new WeakMap<readonly string[], ReadonlyMap<string, number>>();
function countsOf(stack: readonly string[]): ReadonlyMap<string, number> {
  const found = counts.get(stack);
  if (found !== undefined) return found;
  const made = new Map<string, number>();
  for (const kind of stack) made.set(kind, (made.get(kind) ?? 0) + 1);
  counts.set(stack, made);
  return made;
}

/** Kinds of blocks, the commonest first. */
const blocksBy = new WeakMap<readonly string[], readonly (readonly [kind: string, count: number])[]>();
function blocksOf({ stack, kinds }: ModelShape): readonly (readonly [kind: string, count: number])[] {
  const found = blocksBy.get(stack);
  if (found !== undefined) return found;
  const made = [...countsOf(stack)].filter(([k]) => kinds[k]!.role === "block").sort((a, b) => b[1] - a[1]);
  blocksBy.set(stack, made);
  return made;
}

/** Rounding of sums in another order must not lift a bound above what it bounds. */
const slack = 1 - 1e-6;

/** What a stage lets be recomputed and moved away. */
interface Freedom {
  /** Ways that one layer may be treated; more may be mixed from them. */
  readonly modes: readonly Part["mode"][];
  /** Any op may be dropped: what is kept, and at what price, is unknown. */
  readonly anything: boolean;
  readonly optimizerOnHost: boolean;
}

const freedoms = new WeakMap<StageContext, Freedom>();
function freedomOf(context: StageContext): Freedom {
  const known = freedoms.get(context);
  if (known !== undefined) return known;
  const { can } = context.engine;
  const offload = context.stage.offload.value;
  const mayOffload = (what: "activations" | "optimizer"): boolean =>
    offload.kind === "auto"
      ? can.offload.some((o) => o === what || o === "both")
      : (offload.kind === "fixed" ? [offload.value] : offload.kind === "choice" ? offload.options : [what]).some(
          (o) => o === what || o === "both",
        );
  const setting = context.stage.recompute.value;
  const wanted = setting.kind === "fixed" ? [setting.value] : setting.kind === "choice" ? setting.options : undefined;
  const modes = new Set<Part["mode"]>();
  let anything = mayOffload("activations");
  if (wanted === undefined) {
    const offers = (mode: string): boolean => can.recompute.includes(mode as never);
    if (offers("ops") || offers("perLayer")) anything = true;
    if (offers("none") || offers("every") || offers("block")) modes.add("none");
    if (offers("selective")) modes.add("selective");
    if (offers("full") || offers("every") || offers("block")) modes.add("full");
  } else {
    for (const w of wanted) {
      if (w.kind === "ops") anything = true;
      else if (w.kind === "every") modes.add("none").add("full");
      else modes.add(w.kind);
    }
  }
  const made = {
    modes: modes.size === 0 ? (["none"] as const) : [...modes],
    anything,
    optimizerOnHost: mayOffload("optimizer"),
  };
  freedoms.set(context, made);
  return made;
}

/** Bytes of weights, gradients and optimizer state for each element, whatever the moment of the peak. */
interface StateBytes {
  readonly dense: number;
  readonly expert: number;
  readonly frozen: number;
}

function stateBytes(job: Job, onHost: boolean): StateBytes {
  const { layout, numeric } = job;
  const sharded = isSharded(job);
  const held = sharded ? layout.shardGroup : 1;
  const state = layout.shard === "none" ? 1 : sharded ? layout.shardGroup : layout.data * layout.context;
  const split = sharded || layout.shard === "zero2" ? state : 1;
  // At the loss FSDP has gradients only where micro-batches are accumulated.
  const gradients = sharded && layout.accumulation === 1 ? 0 : numeric.gradients;
  const optimizer = onHost ? 0 : numeric.optimizer;
  const e = layout.expert;
  return {
    dense: numeric.weights / held + gradients / split + optimizer / state,
    expert:
      numeric.weights / Math.max(1, held / e) + gradients / Math.max(1, split / e) + optimizer / Math.max(1, state / e),
    frozen: 1 / held,
  };
}

/** The least of each figure over several ways of sharding; of hybrid ones the widest group is enough. */
function leastState(
  context: StageContext,
  { parallel, shards, contextLength }: LayoutGroup,
  onHost: boolean,
): StateBytes {
  let dense = Number.POSITIVE_INFINITY;
  let expert = Number.POSITIVE_INFINITY;
  let frozen = Number.POSITIVE_INFINITY;
  for (const [i, s] of shards.entries()) {
    if (s.shard === "hsdp" && shards[i + 1]?.shard === "hsdp" && shards[i + 1]!.shard_group >= s.shard_group) continue;
    const one = stateBytes(jobOfDegrees(context, { ...parallel, ...s }, contextLength), onHost);
    dense = Math.min(dense, one.dense);
    expert = Math.min(expert, one.expert);
    frozen = Math.min(frozen, one.frozen);
  }
  return { dense, expert, frozen };
}

const bytesOf = (n: LayerNumbers, s: StateBytes): number =>
  (n.memory.trainable - n.memory.expert) * s.dense + n.memory.expert * s.expert + n.memory.frozenBytes * s.frozen;

/** Least seconds and bytes of a kind of layer over the ways that it may be treated. */
interface KindBound {
  readonly weight: number;
  /** Of the fastest way. */
  readonly seconds: number;
  readonly kept: number;
  /** Kept at least, and seconds that each byte less costs at best. */
  readonly least: number;
  readonly price: number;
}

function keptLeast(job: Job, freedom: Freedom, kind: string): number {
  if (freedom.anything) return 0;
  return freedom.modes.reduce(
    (least, mode) => Math.min(least, keptBytes(job, partOf(kind, mode))),
    Number.POSITIVE_INFINITY,
  );
}

/** Traffic of gathering a layer's weights beside its work; undefined: none. */
function trafficOf(job: Job, { memory }: LayerNumbers): ReturnType<typeof gatherTraffic> | undefined {
  const group = gatherGroup(job);
  return group === undefined ? undefined : gatherTraffic(job, memory, group);
}

/** Forward and backward of one layer, treated so. */
function waySeconds(job: Job, { time }: LayerNumbers, traffic: ReturnType<typeof trafficOf>, part: Part): number {
  const more = again(job, part);
  const forward = time.forward + time.forwardComm;
  const backward = time.backward + time.backwardComm + more.seconds + more.comm;
  return traffic === undefined
    ? forward + backward
    : underGather(job.rates, forward, traffic.forward) + underGather(job.rates, backward, traffic.backward);
}

const partOf = (kind: string, mode: Part["mode"]): Part => ({ kind, mode, ops: [], offloaded: false, count: 1 });

function kindBound(job: Job, freedom: Freedom, state: StateBytes, kind: string): KindBound {
  const numbers = layerNumbers(job, kind);
  const traffic = trafficOf(job, numbers);
  const ways = freedom.modes.map((mode) => {
    const part = partOf(kind, mode);
    return { kept: keptBytes(job, part), seconds: waySeconds(job, numbers, traffic, part) };
  });
  const fastest = ways.reduce((a, b) =>
    b.seconds < a.seconds || (b.seconds === a.seconds && b.kept < a.kept) ? b : a,
  );
  let price = freedom.anything ? 0 : Number.POSITIVE_INFINITY;
  let least = freedom.anything ? 0 : fastest.kept;
  for (const w of ways) {
    if (w.kept >= fastest.kept) continue;
    price = Math.min(price, (w.seconds - fastest.seconds) / (fastest.kept - w.kept));
    least = Math.min(least, w.kept);
  }
  return {
    weight: bytesOf(numbers, state),
    seconds: fastest.seconds,
    kept: fastest.kept,
    least,
    price: Number.isFinite(price) ? price : 0,
  };
}

/** Kinds of blocks that weigh about as much as the commonest: the bound counts these alike, and others not at all. */
interface Alike {
  readonly kinds: readonly string[];
  readonly layers: number;
  readonly weight: number;
  readonly least: number;
  /** There are no other kinds: each rank has at least one of these. */
  readonly all: boolean;
}

function alike(job: Job, state: StateBytes, freedom: Freedom): Alike {
  const blocks = blocksOf(job.shape);
  const commonest = bytesOf(layerNumbers(job, blocks[0]![0]), state);
  const kinds: string[] = [];
  let layers = 0;
  let weight = commonest;
  let least = Number.POSITIVE_INFINITY;
  for (const [kind, count] of blocks) {
    const own = bytesOf(layerNumbers(job, kind), state);
    if (own < 0.8 * commonest) continue;
    kinds.push(kind);
    layers += count;
    weight = Math.min(weight, own);
    least = Math.min(least, keptLeast(job, freedom, kind));
  }
  return { kinds, layers, weight, least, all: kinds.length === blocks.length };
}

/** What each rank has left for blocks: bytes that are taken, micro-batches in flight, seconds that are taken. Reused. */
class Rooms {
  size = 0;
  fixed = new Float64Array(64);
  flight = new Float64Array(64);
  taken = new Float64Array(64);
  reset(size: number): void {
    this.size = size;
    if (size <= this.fixed.length) return;
    this.fixed = new Float64Array(2 * size);
    this.flight = new Float64Array(2 * size);
    this.taken = new Float64Array(2 * size);
  }
}
const rooms = new Rooms();

/** The rank of the last chunk, where all schedules agree on it. */
function headRank(pipeline: number, schedules: LayoutGroup["schedules"]): number | undefined {
  const ranks = new Set(schedules.map((s) => scheduleTraits(s.schedule).rankOf(pipeline * s.virtual - 1, pipeline)));
  return ranks.size === 1 ? [...ranks][0] : undefined;
}

/** Of the schedules of a list those that hold the least: one with several chunks a rank lies between its least and its most. */
function endsOf(schedules: LayoutGroup["schedules"]): LayoutGroup["schedules"] {
  if (schedules.length < 3) return schedules;
  return schedules.filter(
    (s, i) => schedules[i - 1]?.schedule !== s.schedule || schedules[i + 1]?.schedule !== s.schedule,
  );
}

/** Each rank's room under the most favourable of some schedules; `sharded`: weights are gathered layer by layer. */
function fillRooms(job: Job, state: StateBytes, schedules: LayoutGroup["schedules"], last: number | undefined): void {
  const { layout, rates, shape, numeric } = job;
  const { stack } = rates;
  const p = layout.pipeline;
  const first = layerNumbers(job, shape.stack[0]!);
  const blocks = blocksOf(shape).map(([kind]) => layerNumbers(job, kind));
  /** Each rank has at least one block: the least that any asks for. */
  const leastOf = (figure: (n: LayerNumbers) => number): number =>
    blocks.reduce((least, n) => Math.min(least, figure(n)), Number.POSITIVE_INFINITY);
  const head = layerNumbers(job, shape.stack.at(-1)!);
  const group = gatherGroup(job);
  const buffers = (n: LayerNumbers): number =>
    group === undefined
      ? 0
      : gathers(job) * (n.memory.trainable + n.memory.frozen) * numeric.gather + n.memory.trainable * numeric.reduce;
  const exposed = group === undefined ? 0 : 2 * leastOf((n) => gatherTraffic(job, n.memory, group).forward.seconds);
  const cached = stack.cachedWeightGradients ? 2 * leastOf((n) => n.memory.cached) : 0;
  const passed = passedBytes(job);
  const secondsOf = (n: LayerNumbers): number =>
    n.time.forward + n.time.forwardComm + n.time.backward + n.time.backwardComm;
  const loss = head.memory.logits * stack.lossBytesPerLogit * job.logitsCopies;
  const blockBuffers = leastOf(buffers);
  const blockTemporary = leastOf((n) => n.memory.backwardTemporary);
  const embedded = !(shape.tied && (p === 1 || last !== p - 1));
  const ways = endsOf(schedules);
  rooms.reset(p);
  for (let rank = 0; rank < p; rank++) {
    let flight = Number.POSITIVE_INFINITY;
    for (const way of ways) flight = Math.min(flight, inFlight(job, rank, way));
    let fixed = cached + passed * flight;
    let taken = exposed;
    let temporary = blockTemporary;
    let gathered = blockBuffers;
    if (rank === 0 && embedded) {
      fixed += bytesOf(first, state) + first.memory.saved * flight;
      taken += secondsOf(first);
    }
    if (rank === last) {
      fixed += bytesOf(head, state) + head.memory.saved * flight;
      taken += secondsOf(head);
      temporary = Math.max(temporary, loss);
      gathered = Math.max(gathered, buffers(head));
    }
    rooms.fixed[rank] = fixed + temporary + gathered;
    rooms.flight[rank] = flight;
    rooms.taken[rank] = taken;
  }
}

/** The least peak with which ranks can hold all layers, each at least one; recomputing all that may be. */
function leastPeak({ layers, weight, least, all }: Alike): number {
  const { size, fixed, flight } = rooms;
  let peak = 0;
  const one = all ? weight : 0;
  const kept = all ? least : 0;
  for (let r = 0; r < size; r++) peak = Math.max(peak, fixed[r]! + one + kept * flight[r]!);
  let level = Number.POSITIVE_INFINITY;
  // Ranks that are full before the level is reached hold nothing: without them it is lower.
  for (;;) {
    let sum = layers;
    let per = 0;
    let now = 0;
    for (let r = 0; r < size; r++) {
      if (fixed[r]! >= level) continue;
      const each = Math.max(1, weight + least * flight[r]!);
      sum += fixed[r]! / each;
      per += 1 / each;
      now++;
    }
    if (now === 0) return peak;
    level = sum / per;
    let below = 0;
    for (let r = 0; r < size; r++) if (fixed[r]! < level) below++;
    if (below === now) return Math.max(peak, level);
  }
}

/** The least seconds that the slowest rank takes for a micro-batch, so that all layers are held within `capacity`. */
function leastSlowest(layers: number, k: KindBound, capacity: number, floor: number): number {
  const { size, fixed, flight, taken } = rooms;
  const freed = k.kept - k.least;
  const extra = freed * k.price;
  const enough = layers * slack;
  const holds = (limit: number): boolean => {
    let n = 0;
    for (let r = 0; r < size; r++) {
      const time = limit - taken[r]!;
      const bytes = capacity - fixed[r]!;
      if (time <= 0 || bytes <= 0) continue;
      const all = k.weight + flight[r]! * k.kept;
      const byTime = time / k.seconds;
      if (byTime * all <= bytes) n += byTime;
      else {
        const share = (time * all - bytes * k.seconds) / (bytes * extra + time * flight[r]! * freed);
        n += share < 1 ? time / (k.seconds + share * extra) : bytes / (all - flight[r]! * freed);
      }
    }
    return n >= enough;
  };
  if (holds(floor)) return floor;
  let low = floor;
  let high = Math.max(2 * floor, 1e-9);
  for (let doublings = 0; !holds(high); doublings++) {
    if (doublings > 60) return Number.POSITIVE_INFINITY;
    low = high;
    high *= 2;
  }
  for (let i = 0; i < 12; i++) {
    const middle = (low + high) / 2;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return low;
}

interface Totals {
  readonly trainable: number;
  readonly expert: number;
  readonly states: number;
}

function totalsOf(job: Job, state: StateBytes): Totals {
  let trainable = 0;
  let expert = 0;
  let states = 0;
  for (const [kind, count] of countsOf(job.shape.stack)) {
    const n = layerNumbers(job, kind);
    const twice = job.shape.tied && job.shape.kinds[kind]!.role === "embedding";
    const times = twice ? count - 1 : count;
    trainable += times * n.memory.trainable;
    expert += times * n.memory.expert;
    states += times * bytesOf(n, state);
  }
  return { trainable, expert, states };
}

/** Without gathering, the stack's time is the same for all layouts with these degrees. */
const wholes = new WeakMap<NonNullable<Job["known"]>, number>();

/** Forward and backward of the whole stack for one micro-batch, each layer in its fastest way. */
function stackSeconds(job: Job, freedom: Freedom): number {
  const shared = gatherGroup(job) === undefined ? job.known : undefined;
  const found = shared === undefined ? undefined : wholes.get(shared);
  if (found !== undefined) return found;
  let seconds = 0;
  for (const [kind, count] of countsOf(job.shape.stack)) {
    const numbers = layerNumbers(job, kind);
    const traffic = trafficOf(job, numbers);
    let least = Number.POSITIVE_INFINITY;
    for (const mode of (job.shape.kinds[kind]!.role === "block" ? freedom : rigid).modes)
      least = Math.min(least, waySeconds(job, numbers, traffic, partOf(kind, mode)));
    seconds += count * least;
  }
  if (shared !== undefined) wholes.set(shared, seconds);
  return seconds;
}
const rigid: Pick<Freedom, "modes"> = { modes: ["none"] };

/** All kinds that count, at the least of each figure. */
function poolOf(job: Job, freedom: Freedom, state: StateBytes, kinds: readonly string[]): KindBound {
  return kinds
    .map((kind) => kindBound(job, freedom, state, kind))
    .reduce((a, b) => ({
      weight: Math.min(a.weight, b.weight),
      seconds: Math.min(a.seconds, b.seconds),
      kept: Math.min(a.kept, b.kept),
      least: Math.min(a.least, b.least),
      price: Math.min(a.price, b.price),
    }));
}

/** Without a limit nothing is ruled out, not even by the device. */
const capacityOf = (job: Job, { peakBytes }: BoundLimits): number =>
  Number.isFinite(peakBytes) ? Math.min(peakBytes, roomBytes(job)) : peakBytes;

const unlimited: BoundLimits = { peakBytes: Number.POSITIVE_INFINITY, stepSeconds: Number.POSITIVE_INFINITY };

/** Of one layout. Infinite seconds: it cannot fit within `limits.peakBytes`. From `limits.stepSeconds` on it need not be tight. */
export function lowerBound(
  context: StageContext,
  partial: Pick<Candidate, "count" | "contextLength" | "globalBatch" | "parallel">,
  limits: BoundLimits = unlimited,
): Bound {
  const { parallel } = partial;
  return groupBound(context, { ...partial, shards: [parallel], schedules: [parallel] }, limits);
}

/** Reduction of gradients and the update, in the way of sharding that hides most of them. */
function leastExposed(context: StageContext, { parallel, shards, contextLength }: LayoutGroup, totals: Totals): number {
  const rank = [{ trainable: totals.trainable / parallel.pipeline, expert: totals.expert / parallel.pipeline }];
  let least = Number.POSITIVE_INFINITY;
  for (const s of shards) {
    const job = jobOfDegrees(context, { ...parallel, ...s }, contextLength);
    const data = dataSeconds(job, rank, Number.POSITIVE_INFINITY).seconds;
    least = Math.min(least, data + optimizerSeconds(job, rank));
  }
  return least;
}

/** What groups with the same degrees share: lists of ways of sharding are made once for each. */
interface Memo {
  state?: StateBytes;
  exposed?: number;
}
const memos = new WeakMap<LayoutGroup["shards"], Map<number, Memo>>();
function memoOf({ shards, parallel }: LayoutGroup): Memo {
  if (shards.length === 1) return {};
  const byExpert = memos.get(shards) ?? new Map<number, Memo>();
  memos.set(shards, byExpert);
  const key = 2 * parallel.expert + (parallel.accumulation === 1 ? 1 : 0);
  const memo = byExpert.get(key) ?? {};
  byExpert.set(key, memo);
  return memo;
}

/** Where all gather weights: the way that gathers over the fewest ranks, and so waits least. */
function leastGather(shards: LayoutGroup["shards"], ranks: number): LayoutGroup["shards"][number] {
  let least: LayoutGroup["shards"][number] = { shard: "none", shard_group: 1 };
  let fewest = Number.POSITIVE_INFINITY;
  for (const s of shards) {
    if (!gathersWeights(s.shard)) return { shard: "none", shard_group: 1 };
    const size = s.shard === "zero3" ? ranks : s.shard_group;
    if (size >= fewest) continue;
    fewest = size;
    least = s;
  }
  return least;
}

/**
 * Of all layouts that share degrees and micro-batch: the most favourable sharding and schedule of each figure. Infinite
 * seconds: none can fit within `limits.peakBytes`. From `limits.stepSeconds` on it need not be tight, nor know the memory.
 */
export function groupBound(context: StageContext, group: LayoutGroup, limits: BoundLimits): Bound {
  const { contextLength, parallel: of, schedules, shards } = group;
  const freedom = freedomOf(context);
  const job = jobOfDegrees(context, { ...of, ...leastGather(shards, of.data * of.context) }, contextLength);
  const p = job.layout.pipeline;
  const whole = stackSeconds(job, freedom);
  let bubble = Number.POSITIVE_INFINITY;
  for (const s of schedules) bubble = Math.min(bubble, bubbleSeconds(job, whole, 0, s));
  const beside = bubble + fixedSeconds(job);
  const passes = slack * passSeconds(job);
  const floor = whole / p;
  const scale = slack * raggedness(job);
  const plain = scale * (job.layout.accumulation * floor + beside) + passes;
  if (plain >= limits.stepSeconds) return { stepSeconds: plain, peakBytes: 0 };
  const memo = memoOf(group);
  memo.state ??= leastState(context, group, freedom.optimizerOnHost);
  const { state } = memo;
  const totals = totalsOf(job, state);
  const pool = alike(job, state, freedom);
  const last = headRank(p, schedules);
  fillRooms(job, state, schedules, last);
  const peakBytes = slack * Math.max(totals.states / p, leastPeak(pool));
  const capacity = capacityOf(job, limits);
  if (peakBytes > capacity) return { stepSeconds: Number.POSITIVE_INFINITY, peakBytes };
  memo.exposed ??= leastExposed(context, group, totals);
  const { exposed } = memo;
  const known = plain + scale * exposed;
  if (known >= limits.stepSeconds || !Number.isFinite(capacity)) return { stepSeconds: known, peakBytes };
  const slowest = leastSlowest(pool.layers, poolOf(job, freedom, state, pool.kinds), capacity, floor);
  return { stepSeconds: scale * (job.layout.accumulation * slowest + beside + exposed) + passes, peakBytes };
}
