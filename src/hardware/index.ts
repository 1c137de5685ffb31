/** Facts about machines: bundled data, a file's own declarations over them. */
import aws from "./data/aws.json" with { type: "json" };
import type { Accelerator, Hardware } from "./types.js";

export { mergeHardware } from "./merge.js";
export type * from "./types.js";

/** AWS accelerators and instances, each figure with its source and date. */
export const bundledHardware = (): Hardware => aws as unknown as Hardware;

/** By name or by an alias, case aside. */
export function findAccelerator(hardware: Hardware, name: string): Accelerator | undefined {
  const own = hardware.accelerators[name];
  if (own !== undefined) return own;
  const lower = name.toLowerCase();
  return Object.values(hardware.accelerators).find(
    (a) => a.name.toLowerCase() === lower || a.aliases.some((alias) => alias.toLowerCase() === lower),
  );
}
