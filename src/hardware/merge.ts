import type { Accelerator, Hardware, Instance, Price } from "./types.js";

/** An `accelerator` or `instance` block after checking: its keys in camel case, its values in SI. */
interface Declared {
  readonly name: string;
  readonly fields: Readonly<Record<string, number | string>>;
}

const dtypes = ["fp32", "tf32", "fp16", "bf16", "fp8", "mxfp8"] as const;
const fromFile = [{ value: "declared", source: "the file itself", date: "" }] as const;

/**
 * Bundled facts, then a file's own machines, then prices (`--prices`): later ones win.
 * A declared `price` counts for on-demand in any region (`*`).
 */
export function mergeHardware(
  base: Hardware,
  accelerators: Readonly<Record<string, Declared>>,
  instances: Readonly<Record<string, Declared>>,
  prices: readonly Price[] = [],
): Hardware {
  const chips = Object.values(accelerators).map(accelerator);
  const machines = Object.values(instances).map(instance);
  return {
    accelerators: { ...base.accelerators, ...Object.fromEntries(chips.map((a) => [a.name, a])) },
    instances: { ...base.instances, ...Object.fromEntries(machines.map((i) => [i.name, i])) },
    prices: [...prices, ...Object.values(instances).flatMap(price), ...base.prices],
  };
}

const number = (fields: Declared["fields"], key: string, absent = 0): number =>
  typeof fields[key] === "number" ? fields[key] : absent;
const text = (fields: Declared["fields"], key: string, absent: string): string =>
  typeof fields[key] === "string" ? fields[key] : absent;

function accelerator({ name, fields }: Declared): Accelerator {
  const peaks = dtypes.flatMap((dtype) => (typeof fields[dtype] === "number" ? [[dtype, fields[dtype]]] : []));
  return {
    name,
    aliases: [],
    vendor: text(fields, "vendor", "other") as Accelerator["vendor"],
    generation: text(fields, "generation", "unknown"),
    peakFlops: Object.fromEntries(peaks) as Accelerator["peakFlops"],
    memoryBytes: number(fields, "memory"),
    memoryBandwidth: number(fields, "memoryBandwidth"),
    ...(typeof fields.power === "number" ? { powerWatts: fields.power } : {}),
    intraBandwidth: number(fields, "linkBandwidth"),
    intraKind: text(fields, "link", "unknown"),
    domainSize: number(fields, "domain", 8),
    sources: fromFile,
  };
}

function instance({ name, fields }: Declared): Instance {
  return {
    name,
    accelerator: text(fields, "accelerator", ""),
    accelerators: number(fields, "accelerators", 1),
    vcpus: number(fields, "vcpus", 64),
    hostMemoryBytes: number(fields, "memory"),
    networkBandwidth: number(fields, "network"),
    efaInterfaces: number(fields, "networkInterfaces", 8),
    localNvmeBytes: number(fields, "disk"),
    sources: fromFile,
  };
}

function price({ name, fields }: Declared): Price[] {
  const usdPerHour = typeof fields.price === "number" ? fields.price : null;
  return [{ instance: name, region: "*", pricing: "on_demand", usdPerHour, source: "the file itself", date: "" }];
}
