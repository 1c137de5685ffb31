/** Facts about machines: bundled data, a file's own declarations over them. */

import type { Bytes } from "../units/index.js";
import aws from "./data/aws.json" with { type: "json" };
import { otherAccelerators } from "./others.js";
import type { Accelerator, Hardware, Instance } from "./types.js";

export { mergeHardware } from "./merge.js";
export { type AcceleratorRow, acceleratorRows } from "./others.js";
export type * from "./types.js";

const own = aws as unknown as Hardware;
const bundled: Hardware = { ...own, accelerators: { ...otherAccelerators, ...own.accelerators } };

/** AWS instances and prices, and accelerators of all vendors, each figure with its source and date. */
export const bundledHardware = (): Hardware => bundled;

/** Ranks of one instance that reach each other without its network: all of them, or a domain that spans instances (NVL72). */
export const fastDomain = (a: Accelerator, i: Instance): number =>
  a.domainSize > 64 ? a.domainSize : Math.min(a.domainSize, i.accelerators);

/** Memory of one accelerator in an instance, which may have another size of it than the accelerator's usual one. */
export const deviceMemory = (i: Pick<Instance, "acceleratorMemoryBytes">, a: Pick<Accelerator, "memoryBytes">): Bytes =>
  i.acceleratorMemoryBytes ?? a.memoryBytes;

/** Dense matmul peak in FLOP/s of a compute type, or of the nearest type that is known; undefined where none is. */
export const peakOf = ({ peakFlops }: Pick<Accelerator, "peakFlops">, compute: string): number | undefined =>
  (peakFlops as Readonly<Record<string, number | undefined>>)[compute] ??
  peakFlops.bf16 ??
  peakFlops.fp16 ??
  peakFlops.tf32 ??
  peakFlops.fp32;

/** By name or by an alias, case aside. */
export function findAccelerator(hardware: Hardware, name: string): Accelerator | undefined {
  const own = hardware.accelerators[name];
  if (own !== undefined) return own;
  const lower = name.toLowerCase();
  return Object.values(hardware.accelerators).find(
    (a) => a.name.toLowerCase() === lower || a.aliases.some((alias) => alias.toLowerCase() === lower),
  );
}
