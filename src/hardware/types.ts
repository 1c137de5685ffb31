/** Facts about machines. Data files hold them; each figure with its source and date. Rates are per second, sizes in bytes. */
import type { Bytes, Usd } from "../units/index.js";

/** A figure with where it was read. `null`: not known, and callers must say so. */
export interface Fact<T> {
  readonly value: T;
  readonly source: string;
  /** ISO date on which it was read or published. */
  readonly date: string;
}

export interface Accelerator {
  /** `H100-80GB-SXM`; aliases are other spellings found in published runs. */
  readonly name: string;
  readonly aliases: readonly string[];
  readonly vendor: "nvidia" | "amd" | "aws" | "google" | "cpu" | "other";
  readonly generation: string;
  /** Dense peak FLOP/s by compute dtype; absent: the chip lacks it. */
  readonly peakFlops: Readonly<Partial<Record<"fp32" | "tf32" | "fp16" | "bf16" | "fp8" | "mxfp8", number>>>;
  readonly memoryBytes: Bytes;
  /** Bytes per second of device memory. */
  readonly memoryBandwidth: number;
  readonly powerWatts?: number;
  /** Within a node (or NVLink domain): bytes per second, one direction, per device. */
  readonly intraBandwidth: number;
  readonly intraKind: string;
  /** Devices in one high-speed domain (8 for HGX, 72 for NVL72); may span nodes. */
  readonly domainSize: number;
  readonly sources: readonly Fact<string>[];
}

export interface Instance {
  /** `ml.p5.48xlarge` for SageMaker names; EC2 names without `ml.`. */
  readonly name: string;
  readonly accelerator: string;
  /** Devices that run one rank each: GPUs, logical NeuronCores of Trainium. */
  readonly accelerators: number;
  /** Where a chip runs several ranks: chips (Neuron devices, `/dev/neuronN`). */
  readonly chips?: number;
  /** Usable device memory as the driver reports it; overrides the accelerator's. */
  readonly acceleratorMemoryBytes?: Bytes;
  readonly vcpus: number;
  readonly hostMemoryBytes: Bytes;
  /** Bytes per second, one direction, whole instance. */
  readonly networkBandwidth: number;
  readonly efaInterfaces: number;
  readonly localNvmeBytes: Bytes;
  readonly sources: readonly Fact<string>[];
}

export interface Price {
  readonly instance: string;
  readonly region: string;
  readonly pricing: "on_demand" | "spot" | "capacity_block" | "reserved";
  /** Per instance and hour; null: unknown. */
  readonly usdPerHour: Usd | null;
  /** Expected spot interruptions per instance and hour, where a source has it. */
  readonly interruptionsPerHour?: number;
  /** True where an EC2 price stands in for a missing SageMaker price. */
  readonly standIn?: boolean;
  readonly source: string;
  readonly date: string;
}

/** All facts, merged: bundled data, then the file's own declarations, then `--prices`. */
export interface Hardware {
  readonly accelerators: Readonly<Record<string, Accelerator>>;
  readonly instances: Readonly<Record<string, Instance>>;
  readonly prices: readonly Price[];
}
