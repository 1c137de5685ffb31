/**
 * Forward and backward of one layer, with exactly the tensors kept that the recomputation choice says. What was dropped
 * is computed again when a backward first needs it, and freed after the last one that does.
 */
import type { Op } from "../model/graph.js";
import { type OpContext, opPrograms } from "./ops/index.js";
import type { OpProgram } from "./ops/types.js";

/** Ops of one layer kind with its ends: a whole layer, or the part of the head below the loss. */
export interface Segment {
  readonly ops: readonly Op[];
  readonly input: string;
  readonly output: string;
}

export interface LayerSaved<T> {
  readonly tensors: Map<string, T>;
}

export type Dropped = "none" | "all" | readonly string[];

const programOf = (op: Op): OpProgram => {
  const program = opPrograms[op.kind];
  if (program === undefined) throw new Error(`no program for ${op.kind}`);
  return program;
};
const internal = (op: Op, i: number): string => `${op.id}#${i}`;
const internalsOf = (op: Op): string[] =>
  Array.from({ length: programOf(op).internals(op) }, (_, i) => internal(op, i));

function needsOf(op: Op): string[] {
  const { inputs, outputs } = programOf(op).needs(op);
  return [...inputs.map((i) => op.inputs[i]!), ...outputs.map((i) => op.outputs[i]!), ...internalsOf(op)];
}

interface Schedule {
  readonly keep: ReadonlySet<string>;
  readonly producer: ReadonlyMap<string, Op>;
  readonly recompute: ReadonlySet<Op>;
}

const schedules = new WeakMap<Segment, Map<string, Schedule>>();

function scheduleOf(segment: Segment, dropped: Dropped): Schedule {
  const key = typeof dropped === "string" ? dropped : dropped.join(",");
  const byKey = schedules.get(segment) ?? new Map<string, Schedule>();
  schedules.set(segment, byKey);
  const known = byKey.get(key);
  if (known !== undefined) return known;
  const producer = new Map<string, Op>();
  for (const op of segment.ops) for (const id of [...op.outputs, ...internalsOf(op)]) producer.set(id, op);
  const isDropped = (op: Op | undefined): op is Op =>
    op !== undefined && dropped !== "none" && (dropped === "all" || dropped.includes(op.id));
  const keep = new Set<string>();
  const recompute = new Set<Op>();
  const want = (id: string): void => {
    const op = producer.get(id);
    if (!isDropped(op)) keep.add(id);
    else if (!recompute.has(op)) {
      recompute.add(op);
      for (const input of op.inputs) want(input);
    }
  };
  for (const op of segment.ops) for (const id of needsOf(op)) want(id);
  const schedule = { keep, producer, recompute };
  byKey.set(key, schedule);
  return schedule;
}

function roundAll<T>({ algebra, round }: OpContext<T>, tensors: readonly (T | undefined)[]): void {
  if (round !== undefined) for (const t of tensors) if (t !== undefined) algebra.round(t, round);
}

/** Its gradients are other handles to the same data. */
const passesOn = (op: Op): boolean => op.kind === "add" || op.attrs.backward === "identity";

/** Takes ownership of `x`. */
export function layerForward<T>(
  context: OpContext<T>,
  segment: Segment,
  x: T,
  dropped: Dropped,
): { readonly y: T; readonly saved: LayerSaved<T> } {
  const { algebra } = context;
  const { keep } = scheduleOf(segment, dropped);
  const alive = new Map<string, T>([[segment.input, x]]);
  const last = new Map<string, number>();
  segment.ops.forEach((op, i) => {
    for (const id of op.inputs) last.set(id, i);
  });
  const release = (id: string, i: number): void => {
    const tensor = alive.get(id);
    if (tensor === undefined || keep.has(id) || id === segment.output || (last.get(id) ?? -1) > i) return;
    algebra.free(tensor);
    alive.delete(id);
  };
  segment.ops.forEach((op, i) => {
    const { outputs, internals } = programOf(op).forward(
      context,
      op,
      op.inputs.map((id) => alive.get(id)!),
    );
    roundAll(context, outputs);
    outputs.forEach((t, j) => {
      alive.set(op.outputs[j]!, t);
    });
    internals.forEach((t, j) => {
      alive.set(internal(op, j), t);
    });
    for (const id of [...op.inputs, ...op.outputs, ...internalsOf(op)]) release(id, i);
  });
  const y = alive.get(segment.output)!;
  if (keep.has(segment.output)) alive.set(segment.output, algebra.share(y));
  else alive.delete(segment.output);
  return { y, saved: { tensors: alive } };
}

/** Takes ownership of `dy` and of what was saved; gives the gradient of the layer's input. */
export function layerBackward<T>(
  context: OpContext<T>,
  segment: Segment,
  saved: LayerSaved<T>,
  dy: T,
  dropped: Dropped,
): T | undefined {
  const { algebra } = context;
  const { producer, recompute } = scheduleOf(segment, dropped);
  const alive = saved.tensors;
  const pending = new Map<string, number>();
  const count = (id: string, by: number): void => {
    const left = (pending.get(id) ?? 0) + by;
    pending.set(id, left);
    const tensor = alive.get(id);
    if (left <= 0 && tensor !== undefined) {
      algebra.free(tensor);
      alive.delete(id);
    }
  };
  for (const op of segment.ops) for (const id of needsOf(op)) pending.set(id, (pending.get(id) ?? 0) + 1);
  for (const op of recompute) for (const id of op.inputs) pending.set(id, (pending.get(id) ?? 0) + 1);

  const ensure = (id: string): T => {
    const have = alive.get(id);
    if (have !== undefined) return have;
    const op = producer.get(id)!;
    const inputs = op.inputs.map(ensure);
    const { outputs, internals } = programOf(op).forward(context, op, inputs);
    roundAll(context, outputs);
    const made: (readonly [string, T])[] = [
      ...outputs.map((t, i) => [op.outputs[i]!, t] as const),
      ...internals.map((t, i) => [internal(op, i), t] as const),
    ];
    for (const [name, tensor] of made) {
      if (alive.has(name) || (pending.get(name) ?? 0) <= 0) algebra.free(tensor);
      else alive.set(name, tensor);
    }
    for (const input of op.inputs) count(input, -1);
    return alive.get(id)!;
  };

  // `owned`: nobody else holds the data, so it may be added to in place.
  const gradients = new Map<string, { tensor: T; owned: boolean }>([[segment.output, { tensor: dy, owned: true }]]);
  const accumulate = (id: string, tensor: T, owned: boolean): void => {
    const before = gradients.get(id);
    if (before === undefined) {
      gradients.set(id, { tensor, owned });
      return;
    }
    const [into, other] = before.owned ? [before.tensor, tensor] : [tensor, before.tensor];
    if (before.owned || owned) {
      algebra.addInto(into, other);
      algebra.free(other);
      gradients.set(id, { tensor: into, owned: true });
    } else {
      const sum = algebra.add(before.tensor, tensor);
      algebra.free(before.tensor);
      algebra.free(tensor);
      gradients.set(id, { tensor: sum, owned: true });
    }
  };
  for (const op of [...segment.ops].reverse()) {
    const needed = needsOf(op);
    const program = programOf(op);
    const wanted = program.needs(op);
    const inputs = op.inputs.map((id, i) => (wanted.inputs.includes(i) ? ensure(id) : undefined));
    const outputs = op.outputs.map((id, i) => (wanted.outputs.includes(i) ? ensure(id) : undefined));
    const internals = internalsOf(op).map(ensure);
    const dys = op.outputs.map((id) => gradients.get(id)!.tensor);
    const results = program.backward(context, op, { inputs, outputs, internals }, dys);
    if (!passesOn(op)) roundAll(context, results);
    for (const id of needed) count(id, -1);
    op.outputs.forEach((id, i) => {
      algebra.free(dys[i]!);
      gradients.delete(id);
    });
    results.forEach((d, i) => {
      if (d !== undefined) accumulate(op.inputs[i]!, d, !passesOn(op));
    });
  }
  for (const tensor of alive.values()) algebra.free(tensor);
  alive.clear();
  const dx = gradients.get(segment.input)?.tensor;
  return dx;
}
