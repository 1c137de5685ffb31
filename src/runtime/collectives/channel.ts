/**
 * Blocking message passing between worker threads: one MessagePort per pair of ranks, one shared counter per rank that
 * a sender bumps. Sends never block, so a 1F1B schedule in which both neighbours send at once cannot deadlock.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";

export type Payload = Float32Array | Int32Array;

interface Envelope {
  readonly tag: number;
  readonly data: Payload;
}

/** What a worker needs to talk to the others; goes through `workerData` (ports in its transfer list). */
export interface Links {
  readonly rank: number;
  readonly size: number;
  /** By rank of the other side; undefined at the own rank. */
  readonly ports: readonly (MessagePort | undefined)[];
  /** One Int32 per rank: messages sent to it so far. Index `size` is the abort flag. */
  readonly counters: SharedArrayBuffer;
}

/** Thrown in every waiting rank when one has failed: the run as a whole restarts from its last good state. */
export class PeerFailure extends Error {
  constructor(readonly rank: number) {
    super(`rank ${rank} stopped waiting: another worker failed`);
  }
}

export class Channel {
  readonly #links: Links;
  readonly #counters: Int32Array;
  readonly #stash: Envelope[][];
  /** Bytes sent so far, by this rank. */
  sentBytes = 0;

  constructor(links: Links) {
    this.#links = links;
    this.#counters = new Int32Array(links.counters);
    this.#stash = Array.from({ length: links.size }, () => []);
  }

  get rank(): number {
    return this.#links.rank;
  }

  get size(): number {
    return this.#links.size;
  }

  /** Copies `data` and returns at once. A message to oneself is only stashed. */
  send(to: number, tag: number, data: Payload): void {
    const copy = data.slice();
    if (to === this.rank) {
      this.#stash[to]?.push({ tag, data: copy });
      return;
    }
    const port = this.#links.ports[to];
    if (port === undefined) throw new Error(`no link from rank ${this.rank} to rank ${to}`);
    this.sentBytes += copy.byteLength;
    port.postMessage({ tag, data: copy } satisfies Envelope, [copy.buffer as ArrayBuffer]);
    Atomics.add(this.#counters, to, 1);
    Atomics.notify(this.#counters, to);
  }

  /** Blocks until the next message of that sender with that tag is here. Messages of one sender and tag keep their order. */
  receive(from: number, tag: number): Payload {
    const stash = this.#stash[from] ?? [];
    const found = stash.findIndex((m) => m.tag === tag);
    if (found >= 0) return (stash.splice(found, 1)[0] as Envelope).data;
    const port = this.#links.ports[from];
    if (port === undefined) throw new Error(`rank ${this.rank} waits for a message from itself that was never sent`);
    for (;;) {
      const seen = Atomics.load(this.#counters, this.rank);
      const message = receiveMessageOnPort(port)?.message as Envelope | undefined;
      if (message !== undefined) {
        if (message.tag === tag) return message.data;
        stash.push(message);
        continue;
      }
      if (Atomics.load(this.#counters, this.size) !== 0) throw new PeerFailure(this.rank);
      // Wakes when the counter has moved on from `seen`, or after a second to look at the abort flag.
      Atomics.wait(this.#counters, this.rank, seen, 1000);
    }
  }
}

/** Tells every rank that waits (or will wait) on these counters that the run is over. */
export function abortAll(counters: Int32Array): void {
  const size = counters.length - 1;
  Atomics.store(counters, size, 1);
  for (let rank = 0; rank < size; rank++) {
    Atomics.add(counters, rank, 1);
    Atomics.notify(counters, rank);
  }
}
