import type { Algebra, Meter } from "../../program/index.js";

/** Best first. */
export const backendNames = ["tensorflow-gpu", "tensorflow", "webgpu", "wasm", "cpu"] as const;
export type BackendName = (typeof backendNames)[number];

/** A tensor of whichever backend. */
export interface Handle {
  readonly shape: readonly number[];
}

export interface Backend {
  readonly name: BackendName;
  readonly algebra: Algebra<Handle>;
  readonly meter: Meter;
}
