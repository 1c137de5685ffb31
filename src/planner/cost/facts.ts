/** Figures about running for a long time. A source that says "assumed" or "recalled" was not read; its date is when it was written down. */
export interface CostFact {
  readonly value: number;
  readonly unit: string;
  readonly source: string;
  readonly date: string;
}

export const costFacts = {
  /** Device hours per unexpected interruption: 419 in 54 days on 16,384 H100. */
  deviceHoursPerFailure: {
    value: (16_384 * 54 * 24) / 419,
    unit: "device hours",
    source:
      "The Llama 3 Herd of Models (arXiv 2407.21783), as datacenterdynamics.com reports it; the paper itself was not read",
    date: "2026-11-24",
  },
  /** From the failure to the first step: detection, replacement of the node, start, loading of the checkpoint. */
  restartSeconds: {
    value: 12 * 60,
    unit: "seconds",
    source: "assumed, in keeping with above 90% effective training time at 7.8 failures a day (datacenterdynamics.com)",
    date: "2026-11-24",
  },
  /** A taken spot machine has to be found anew. */
  spotRestartSeconds: { value: 30 * 60, unit: "seconds", source: "assumed", date: "2026-11-24" },
  /** Where a price entry names no rate: about one in five machines a month, the upper class of AWS's Spot Advisor. */
  spotInterruptionsPerHour: {
    value: 0.2 / (30 * 24),
    unit: "per instance hour",
    source: "assumed: one in five a month, the upper class of AWS Spot Instance Advisor as recalled, not read",
    date: "2026-11-24",
  },
  /** Of a checkpoint, per machine, to shared storage while training waits. */
  saveBytesPerSecond: {
    value: 2e9,
    unit: "bytes per second and machine",
    source: "assumed: parallel writes of a distributed checkpoint",
    date: "2026-11-24",
  },
  /** Machines start, images load, ranks connect, the first step compiles. */
  warmupSeconds: { value: 15 * 60, unit: "seconds", source: "assumed", date: "2026-11-24" },
  /** Object storage, us-east-1, first 50 TB. */
  storageUsdPerByteHour: {
    value: 0.023 / 1e9 / 730,
    unit: "USD per byte and hour",
    source:
      "recalled, not read: Amazon S3 Standard, $0.023 per GB-month (a page that was read says 0.021 to 0.026 by region)",
    date: "2026-11-24",
  },
  /** Checkpoints that are kept at a time. */
  checkpointsKept: { value: 3, unit: "checkpoints", source: "assumed", date: "2026-11-24" },
} as const satisfies Readonly<Record<string, CostFact>>;
