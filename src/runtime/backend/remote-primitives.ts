/**
 * `Primitives` of a library that answers asynchronously: it lives in a thread of its own, gets calls in order, and only a
 * read waits for it (asleep, with Atomics.wait). So a training step stays a plain synchronous program on every backend.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import {
  type Binary,
  type LoopCost,
  type LoopWork,
  type Primitives,
  ShapePrimitives,
  type Sized,
  type Unary,
} from "../../program/index.js";
import { hostLoop } from "./host-loop.js";
import { asked, type Command, done, type Failed, type Reference } from "./remote.js";

export interface Remote extends Sized, Reference {
  readonly integers: boolean;
}

/** Calls are posted in groups: a message costs more than a call. */
const GROUP = 64;

const free = { matmulFlops: 1, elementwiseBandwidth: 1, launchSeconds: 0, transcendentals: 1 };
const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export class RemotePrimitives implements Primitives<Remote> {
  readonly fused = {};
  readonly #shapes = new ShapePrimitives(free);
  readonly #state: Int32Array;
  #waiting: Command[] = [];
  #next = 0;
  #answers = new SharedArrayBuffer(1 << 16);
  /** @param stopped what is thrown when the thread cannot go on */
  constructor(
    private readonly port: MessagePort,
    state: SharedArrayBuffer,
    private readonly stopped: (why: string) => Error,
  ) {
    this.#state = new Int32Array(state);
  }

  #send(command: Command): void {
    this.#waiting.push(command);
    if (this.#waiting.length >= GROUP) this.#flush();
  }
  #flush(): void {
    this.port.postMessage(this.#waiting);
    this.#waiting = [];
  }
  #made(sized: Sized, method: string, args: readonly unknown[], integers = false): Remote {
    const id = this.#next++;
    this.#send({ method, args, result: id });
    return { ...sized, id, integers };
  }
  #values(x: Remote): ArrayBuffer {
    const bytes = 4 * count(x.dims);
    if (this.#answers.byteLength < bytes) this.#answers = new SharedArrayBuffer(bytes);
    Atomics.store(this.#state, 0, asked);
    this.#send({ read: x.id, into: this.#answers });
    this.#flush();
    Atomics.wait(this.#state, 0, asked);
    if (Atomics.load(this.#state, 0) !== done) {
      const said = receiveMessageOnPort(this.port) as { readonly message: Failed } | undefined;
      throw this.stopped(said?.message.failure ?? "its thread has ended");
    }
    const copy = new ArrayBuffer(bytes);
    new Uint8Array(copy).set(new Uint8Array(this.#answers, 0, bytes));
    return copy;
  }

  shape(x: Remote): readonly number[] {
    return x.dims;
  }
  bytes(x: Remote): number {
    return this.#shapes.bytes(x);
  }
  floats(values: Float32Array, shape: readonly number[]): Remote {
    // The caller may change the values before they are posted.
    return this.#made(this.#shapes.floats(values, shape), "floats", [values.slice(), shape]);
  }
  ints(values: Int32Array, shape: readonly number[]): Remote {
    return this.#made(this.#shapes.ints(values, shape), "ints", [values.slice(), shape], true);
  }
  fill(shape: readonly number[], value: number): Remote {
    return this.#made(this.#shapes.fill(shape), "fill", [shape, value]);
  }
  dispose(x: Remote): void {
    this.#send({ method: "dispose", args: [at(x)] });
  }
  read(x: Remote): Float32Array {
    return x.integers ? Float32Array.from(new Int32Array(this.#values(x))) : new Float32Array(this.#values(x));
  }
  reshape(x: Remote, shape: readonly number[]): Remote {
    return this.#made(this.#shapes.reshape(x, shape), "reshape", [at(x), shape], x.integers);
  }
  unary(op: Unary, x: Remote): Remote {
    return this.#made(this.#shapes.unary(op, x), "unary", [op, at(x)]);
  }
  binary(op: Binary, a: Remote, b: Remote): Remote {
    return this.#made(this.#shapes.binary(op, a, b), "binary", [op, at(a), at(b)]);
  }
  cast(x: Remote): Remote {
    return this.#made(this.#shapes.cast(x), "cast", [at(x)]);
  }
  select(condition: Remote, yes: Remote, no: Remote): Remote {
    return this.#made(this.#shapes.select(condition, yes, no), "select", [at(condition), at(yes), at(no)]);
  }
  matmul(a: Remote, b: Remote, transposeA: boolean, transposeB: boolean): Remote {
    const sized = this.#shapes.matmul(a, b, transposeA, transposeB);
    return this.#made(sized, "matmul", [at(a), at(b), transposeA, transposeB]);
  }
  reduce(op: "sum" | "max", x: Remote, axis: number): Remote {
    return this.#made(this.#shapes.reduce(op, x, axis), "reduce", [op, at(x), axis]);
  }
  transpose(x: Remote, permutation: readonly number[]): Remote {
    return this.#made(this.#shapes.transpose(x, permutation), "transpose", [at(x), permutation], x.integers);
  }
  slice(x: Remote, axis: number, first: number, size: number): Remote {
    return this.#made(this.#shapes.slice(x, axis, first, size), "slice", [at(x), axis, first, size], x.integers);
  }
  concat(parts: readonly Remote[], axis: number): Remote {
    const integers = parts[0]?.integers ?? false;
    return this.#made(this.#shapes.concat(parts, axis), "concat", [parts.map(at), axis], integers);
  }
  pad(x: Remote, axis: number, before: number, after: number): Remote {
    return this.#made(this.#shapes.pad(x, axis, before, after), "pad", [at(x), axis, before, after], x.integers);
  }
  gather(table: Remote, ids: Remote): Remote {
    return this.#made(this.#shapes.gather(table, ids), "gather", [at(table), at(ids)]);
  }
  scatterAdd(x: Remote, ids: Remote, rows: number): Remote {
    return this.#made(this.#shapes.scatterAdd(x, ids, rows), "scatterAdd", [at(x), at(ids), rows]);
  }
  oneHot(ids: Remote, depth: number): Remote {
    return this.#made(this.#shapes.oneHot(ids, depth), "oneHot", [at(ids), depth]);
  }
  loop(
    inputs: readonly Remote[],
    shapes: readonly (readonly number[])[],
    _cost: LoopCost,
    work: LoopWork,
    written: readonly number[],
  ): readonly Remote[] {
    const given = inputs.map((x) => {
      const values = this.#values(x);
      return { shape: x.dims, values: x.integers ? new Int32Array(values) : new Float32Array(values) };
    });
    return hostLoop(this, given, shapes, work, written);
  }
}

const at = (x: Reference): Reference => ({ id: x.id });
