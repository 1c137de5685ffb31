/** Machines in a reader's words: what completion and hover say of them. */
import { bundledHardware } from "../../hardware/index.js";
import { formatBytes, formatUsd } from "../../units/index.js";

export interface InstanceWords {
  readonly name: string;
  /** `8 × H100-80GB-SXM · 80 GiB each · $98.32/h` */
  readonly line: string;
  readonly text: string;
}

let table: ReadonlyMap<string, InstanceWords> | undefined;

export function instances(): ReadonlyMap<string, InstanceWords> {
  if (table !== undefined) return table;
  const { instances: all, accelerators, prices } = bundledHardware();
  table = new Map(
    Object.values(all).map((i) => {
      const memory = i.acceleratorMemoryBytes ?? accelerators[i.accelerator]?.memoryBytes;
      const own = prices.filter((p) => p.instance === i.name);
      const cheapest = own
        .filter((p) => p.pricing === "on_demand" && p.usdPerHour !== null)
        .sort((a, b) => (a.usdPerHour ?? 0) - (b.usdPerHour ?? 0))[0];
      const price = cheapest?.usdPerHour == null ? "no price known" : `${formatUsd(cheapest.usdPerHour)}/h`;
      const line = `${i.accelerators} × ${i.accelerator}${memory === undefined ? "" : ` · ${formatBytes(memory)} each`} · ${price}`;
      const listed = own.filter((p) => p.usdPerHour !== null);
      const text = [
        `**${i.name}** ${i.accelerators} × ${i.accelerator}${memory === undefined ? "" : `, ${formatBytes(memory)} each`}`,
        `${i.vcpus} vCPU, ${formatBytes(i.hostMemoryBytes)} host memory, ${((i.networkBandwidth * 8) / 1e9).toFixed(0)} Gbit/s, ${i.efaInterfaces} EFA, NVMe ${formatBytes(i.localNvmeBytes)}`,
        listed.length === 0
          ? "no price known: give one with `--prices`"
          : listed
              .slice(0, 6)
              .map(
                (p) =>
                  `- ${p.pricing} ${formatUsd(p.usdPerHour ?? 0)}/h in ${p.region} (${p.date}${p.standIn === true ? ", the EC2 price" : ""})`,
              )
              .join("\n"),
      ].join("\n\n");
      return [i.name, { name: i.name, line, text }];
    }),
  );
  return table;
}

export function acceleratorLine(name: string): string | undefined {
  const a = bundledHardware().accelerators[name];
  if (a === undefined) return undefined;
  const peaks = Object.entries(a.peakFlops).map(([k, v]) => `${k} ${((v ?? 0) / 1e12).toFixed(0)} TFLOP/s`);
  return `${formatBytes(a.memoryBytes)} at ${(a.memoryBandwidth / 1e9).toFixed(0)} GB/s · ${peaks.join(", ")}`;
}
