/** Bytes of tensor data alive, and their peak. (TensorFlow.js's own figure counts views of the same data again.) */
export class Meter {
  bytes = 0;
  peak = 0;
  add(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes > this.peak) this.peak = this.bytes;
  }
  remove(bytes: number): void {
    this.bytes -= bytes;
  }
  /** Starts a new peak, from what is alive now. */
  reset(): void {
    this.peak = this.bytes;
  }
}
