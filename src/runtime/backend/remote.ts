/** What goes between `RemotePrimitives` and the thread that computes. */
import type { MessagePort } from "node:worker_threads";

/** A tensor of the other thread, in the arguments of a call. */
export interface Reference {
  readonly id: number;
}

/** A method of `Primitives`; its result is kept under `result`. */
export interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
  readonly result?: number;
}

/** Asks for the values of a tensor. The asking thread sleeps until `state` of the link is no longer `asked`. */
export interface Read {
  readonly read: number;
  /** Where the values go, four bytes each. */
  readonly into: SharedArrayBuffer;
}

export type Command = Call | Read;

/** States of the shared word. */
export const asked = 0;
export const done = 1;
/** Why comes as a message. */
export const failed = 2;

export interface Failed {
  readonly failure: string;
}

/** What the thread starts with; it answers `Started` to its parent. */
export interface RemoteStart {
  /** Of the installed backend. */
  readonly folder: string;
  /** One shared Int32. */
  readonly state: SharedArrayBuffer;
  /** Where `Command[]` come in, and `Failed` goes out. */
  readonly port: MessagePort;
}

export type Started = "ready" | Failed;
