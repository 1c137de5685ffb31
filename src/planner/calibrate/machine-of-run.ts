/** Machine of a published run: by the GPU's name, and what its text says of the network. */
import { type AcceleratorRow, acceleratorRows } from "../../hardware/index.js";
import type { Machine } from "../time/rates.js";
import type { Run } from "./run.js";

const entries = acceleratorRows.map((e) => ({ ...e, pattern: new RegExp(e.match, "i") }));

export interface KnownMachine {
  readonly machine: Machine;
  readonly known: boolean;
}

export function machineOfRun(run: Run): KnownMachine {
  // torchtitan's published H100 are those of its authors' cluster: 96 GB HBM2e, held at 500 W.
  const own = /torchtitan/i.test(run.engine ?? "") && /^\W*h100(?!.*(pci|nvl))/i.test(run.gpu ?? "");
  const name = own ? "H100-96GB" : (run.gpu ?? "");
  const found = entries.find((e) => e.pattern.test(name));
  const e = found ?? nearest(name);
  const perNode = run.gpus_per_node ?? Math.min(8, Math.max(1, run.gpus ?? 8));
  const domain = e.domain > 8 ? e.domain : Math.max(1, Math.min(perNode, e.domain));
  const memory = statedMemory(name) ?? e.memory;
  return {
    known: found !== undefined,
    machine: {
      name: e.name,
      generation: e.generation,
      peakFlops: {
        bf16: e.bf16 * 1e12,
        fp16: e.bf16 * 1e12,
        fp8: e.fp8 === undefined ? undefined : e.fp8 * 1e12,
        tf32: (e.bf16 / 2) * 1e12,
        fp32: (e.bf16 / 2) * 1e12,
      },
      memoryBytes: memory * 1024 ** 3,
      memoryBandwidth: e.bandwidth * 1e9,
      intraBandwidth: e.link * 1e9,
      domain,
      perNode,
      nodeBandwidth: network(run.interconnect, perNode) ?? (e.node * 1e9 * perNode) / (e.domain > 8 ? 4 : 8),
      power: e.power,
    },
  };
}

/** A name that states a size: the driver shows a little less than the data sheet. */
function statedMemory(name: string): number | undefined {
  const gb = /(\d+)\s*(gib|gb)\b/i.exec(name);
  if (gb === null) return undefined;
  const size = Number(gb[1]);
  return gb[2]!.toLowerCase() === "gib" ? size : size * (size >= 100 ? 0.993 : 0.9885);
}

/** An accelerator that nobody listed: of common ones, the one whose memory is nearest to what its name states. */
function nearest(name: string): AcceleratorRow {
  const memory = statedMemory(name);
  const common = ["A100-80GB-SXM", "A100-40GB-SXM", "H200-141GB-SXM", "B200-SXM", "GB300"].map(
    (known) => entries.find((e) => e.name === known)!,
  );
  if (memory === undefined) return common[0]!;
  const off = (e: AcceleratorRow): number => Math.abs(Math.log(e.memory / memory));
  return { ...common.reduce((a, b) => (off(b) < off(a) ? b : a)), name, memory };
}

/** Gigabits per second of a whole node, from free text: `4 x 100Gb RoCE`, `1600 Gbps`, `8x400G`. */
export function network(text: string | null | undefined, perNode: number): number | undefined {
  if (text === null || text === undefined) return undefined;
  const several = /(\d+)\s*[x×]\s*(\d+)\s*(?:gb|g\b)/i.exec(text);
  if (several !== null) return (Number(several[1]) * Number(several[2]) * 1e9) / 8;
  // Omni-Path stages through the host (NCCL over PSM2 has no GPUDirect): about half of its line rate arrives.
  const omni = /(\d+)\s*[x×]?\s*omni-?path/i.exec(text);
  if (omni !== null) return Number(omni[1]) * 12.5e9 * 0.5;
  const one = /(\d+(?:\.\d+)?)\s*(t|g)b(?:ps|it|\/s)/i.exec(text);
  if (one === null) return undefined;
  const bits = Number(one[1]) * (one[2]!.toLowerCase() === "t" ? 1e12 : 1e9);
  return /per gpu/i.test(text) ? (bits * perNode) / 8 : bits / 8;
}
