/** Where tokens go in layers of experts. */
export interface Route {
  /** Slot s (token · topK + k) lies in this row of the routed tokens, which are sorted by expert; rows dropped are last. */
  readonly rowOf: Int32Array;
  /** Expert of each slot, and whether it had room for it. */
  readonly expertOf: Int32Array;
  readonly kept: Uint8Array;
  /** Rows of each expert. */
  readonly counts: Int32Array;
  /** Choices that fell on each expert, in whole sequences. */
  readonly wanted: Float64Array;
  /** Softmax or sigmoid of the scores [tokens, experts]. */
  readonly probabilities: Float32Array;
  /** Of each slot's output. */
  readonly weights: Float32Array;
}

/** What one layer's ops of routing share while a micro-batch passes. */
export interface LayerRouting {
  route?: Route;
  bias?: Float32Array;
  /** Rows for each expert: of this rank's tokens, and what each rank of the expert axis sent for the experts here. */
  exchange?: { readonly sent: Int32Array; readonly received: readonly Int32Array[] };
  /** Choices that fell on each expert in this step's training. */
  load?: Float64Array;
  /** Balance of the last micro-batch: fullest expert over the mean, and the auxiliary loss before its weight. */
  imbalance?: number;
  auxLoss?: number;
}

/** Of a whole model; while it trains, the auxiliary loss of each layer is in the gradient by this factor (0: it does not train). */
export interface Routing {
  readonly layers: Map<number, LayerRouting>;
  auxScale: number;
}
