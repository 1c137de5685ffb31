/** A model that is ready to be asked, on whichever backend. */
export interface LanguageModel {
  readonly vocab: number;
  /** Longest sequence it was made for. */
  readonly contextLength: number;
  /** Logits of the token that follows `tokens` (1 ≤ length ≤ contextLength). A longer prefix of the call before is cheap. */
  next(tokens: Int32Array): Promise<Float32Array>;
  /** Log-probability of each target, row-major [sequences, length]. */
  logProbs(tokens: Int32Array, targets: Int32Array, sequences: number, length: number): Promise<Float32Array>;
  close(): Promise<void>;
}
