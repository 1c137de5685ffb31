/**
 * Delayed scaling (Transformer Engine's DelayedScaling recipe, 2.x): a tensor's scale comes from the largest magnitudes of
 * the steps before, so that it is known before the tensor is. Values beyond it saturate.
 */
import type { RoundFormat } from "./algebra.js";

export interface DelayedRecipe {
  /** Steps that are remembered (amax_history_len). */
  readonly history: number;
  /** Scales are smaller by so many powers of two (margin). */
  readonly margin: number;
}

/** Of one operand of one layer's product. */
export interface Slot {
  scale: number;
  /** Largest magnitude of this step so far. */
  amax: number;
  /** Of the steps before, the newest first. */
  readonly past: Float32Array;
  readonly format: RoundFormat;
}

/** Of all operands of a model. */
export class DelayedScaling {
  readonly #slots = new Map<string, Slot>();
  /** Restored, for slots that no product has asked for yet. */
  readonly #before = new Map<string, Float32Array>();
  constructor(readonly recipe: DelayedRecipe) {}

  /** @param name of the operand; a new one has scale 1 */
  slot(name: string, format: RoundFormat): Slot {
    const known = this.#slots.get(name);
    if (known !== undefined) return known;
    const stored = this.#before.get(name);
    const past = new Float32Array(this.recipe.history - 1);
    if (stored !== undefined) past.set(stored.subarray(1, 1 + past.length));
    const slot: Slot = { scale: stored?.[0] ?? 1, amax: 0, past, format };
    this.#slots.set(name, slot);
    return slot;
  }

  /** After a step of the optimizer, all of whose micro-batches have been seen. */
  advance(): void {
    for (const slot of this.#slots.values()) {
      const { past, format } = slot;
      const amax = past.reduce((a, b) => Math.max(a, b), slot.amax);
      // A maximum of 0, infinity or NaN says nothing: the scale stays.
      if (amax > 0 && Number.isFinite(amax))
        slot.scale = Math.min(3.4028234663852886e38, Math.fround(format.largest / amax / 2 ** this.recipe.margin));
      past.copyWithin(1, 0);
      if (past.length > 0) past[0] = Number.isFinite(slot.amax) ? slot.amax : 0;
      slot.amax = 0;
    }
  }

  /** [1 + history − 1] of each operand: its scale, then the past. */
  state(): ReadonlyMap<string, Float32Array> {
    return new Map([...this.#slots].map(([name, { scale, past }]) => [name, Float32Array.of(scale, ...past)]));
  }
  restore(name: string, values: Float32Array): void {
    this.#before.set(name, values);
  }
}
