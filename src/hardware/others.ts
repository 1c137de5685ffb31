/** Accelerators beside those of AWS instances, and how published runs spell all of them. */
import data from "./data/accelerators.json" with { type: "json" };
import type { Accelerator } from "./types.js";

/** One line of `data/accelerators.json`: TFLOP/s, GiB, GB/s in one direction. */
export interface AcceleratorRow {
  /** Regular expression over a run's `gpu`, case aside; the first that matches counts. */
  readonly match: string;
  readonly name: string;
  readonly vendor: Accelerator["vendor"];
  readonly generation: string;
  readonly bf16: number;
  readonly fp8?: number;
  readonly memory: number;
  readonly bandwidth: number;
  readonly link: number;
  readonly kind: string;
  readonly domain: number;
  /** Usual network of eight of them. */
  readonly node: number;
  /** Share of its power limit's peak that it is held at. */
  readonly power: number;
  /** A known chip held or fitted differently: named in runs, never offered. */
  readonly variant?: boolean;
  readonly source: string;
  readonly date: string;
}

export const acceleratorRows = data.accelerators as readonly AcceleratorRow[];

const accelerator = (r: AcceleratorRow): Accelerator => ({
  name: r.name,
  aliases: [],
  vendor: r.vendor,
  generation: r.generation,
  peakFlops: {
    bf16: r.bf16 * 1e12,
    fp16: r.bf16 * 1e12,
    ...(r.fp8 === undefined ? {} : { fp8: r.fp8 * 1e12 }),
    tf32: (r.bf16 / 2) * 1e12,
    fp32: (r.bf16 / 2) * 1e12,
  },
  memoryBytes: r.memory * 1024 ** 3,
  memoryBandwidth: r.bandwidth * 1e9,
  intraBandwidth: r.link * 1e9,
  intraKind: r.kind,
  domainSize: r.domain,
  sources: [{ value: "peaks, memory, bandwidths", source: r.source, date: r.date }],
});

export const otherAccelerators: Readonly<Record<string, Accelerator>> = Object.fromEntries(
  acceleratorRows.filter((r) => r.variant !== true).map((r) => [r.name, accelerator(r)]),
);
