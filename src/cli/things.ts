/** What a file may name, for `ls` and `show`: from the bundled families, the hardware data, the catalog and the examples. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { objectives, precisions } from "../catalog/index.js";
import { check } from "../checker/index.js";
import { bundledHardware } from "../hardware/index.js";
import { buildGraph } from "../model/index.js";
import { format, parse } from "../parser/index.js";
import { formatBytes, formatCount } from "../units/index.js";
import { nodeHost, packageRoot } from "./host.js";

export const kinds = ["models", "instances", "accelerators", "objectives", "precisions", "examples"] as const;

export interface Thing {
  readonly name: string;
  readonly cells: readonly string[];
  readonly json: Readonly<Record<string, unknown>>;
  readonly text: () => string;
}

export function listing(kind: (typeof kinds)[number]): readonly Thing[] {
  return sources[kind]();
}

const sources: Record<(typeof kinds)[number], () => readonly Thing[]> = {
  models: () =>
    folder("std").flatMap(({ name: file, text }) => {
      const source = { path: `std/${file}`, text };
      const { value } = parse(source);
      const family = file.replace(/\.llmp$/, "");
      const specs = check(value, nodeHost()).value?.models ?? {};
      return value.items.flatMap((item) => {
        if (item.kind !== "block" || item.keyword.text !== "model" || item.name === undefined) return [];
        const one = { ...value, items: [item], comments: [] };
        const spec = specs[item.name.text];
        const graph = spec === undefined ? undefined : buildGraph(spec);
        const all = graph?.parameters ?? 0;
        const active = graph?.activeParameters ?? 0;
        return [
          {
            name: item.name.text,
            cells: [
              `${formatCount(all)}${active < all ? `, ${formatCount(active)} active` : ""}`,
              `import "std/${family}"`,
              item.parent === undefined ? "" : `from ${item.parent.text}`,
            ],
            json: {
              import: `std/${family}`,
              ...(item.parent === undefined ? {} : { parent: item.parent.text }),
              parameters: all,
              active_parameters: active,
            },
            text: () =>
              [
                `parameters  ${all.toLocaleString("en-US")}${active < all ? `, of which a token meets ${active.toLocaleString("en-US")}` : ""}`,
                `in bf16     ${formatBytes(2 * all)}`,
                `import      "std/${family}"`,
                "",
                format(source, one),
              ].join("\n"),
          },
        ];
      });
    }),
  instances: () => {
    const { instances, accelerators, prices } = bundledHardware();
    return Object.values(instances).map((i) => {
      const memory = i.acceleratorMemoryBytes ?? accelerators[i.accelerator]?.memoryBytes;
      const own = prices.filter((p) => p.instance === i.name);
      const cheapest = own
        .filter((p) => p.pricing === "on_demand" && p.usdPerHour !== null)
        .sort((a, b) => (a.usdPerHour ?? 0) - (b.usdPerHour ?? 0))[0];
      const price = cheapest === undefined ? "no price known" : `$${cheapest.usdPerHour}/h`;
      return {
        name: i.name,
        cells: [
          `${i.accelerators} × ${i.accelerator}`,
          memory === undefined ? "" : `${formatBytes(memory)} each`,
          price,
          cheapest === undefined ? "" : `${cheapest.region}, ${cheapest.date}`,
        ],
        json: { ...i, prices: own },
        text: () =>
          [
            `accelerators    ${i.accelerators} × ${i.accelerator}${memory === undefined ? "" : `, ${formatBytes(memory)} each`}`,
            `host            ${i.vcpus} vCPU, ${formatBytes(i.hostMemoryBytes)}, NVMe ${formatBytes(i.localNvmeBytes)}`,
            `network         ${((i.networkBandwidth * 8) / 1e9).toFixed(0)} Gbit/s, ${i.efaInterfaces} EFA`,
            ...own.map(
              (p) =>
                `${p.pricing.padEnd(15)} ${p.usdPerHour === null ? "unknown" : `$${p.usdPerHour}/h`} in ${p.region} (${p.date}${p.standIn === true ? ", the EC2 price" : ""}; ${p.source})`,
            ),
            ...i.sources.map((s) => `source          ${s.value}: ${s.source} (${s.date})`),
            "",
          ].join("\n"),
      };
    });
  },
  accelerators: () =>
    Object.values(bundledHardware().accelerators).map((a) => {
      const peaks = Object.entries(a.peakFlops).map(([k, v]) => `${k} ${((v ?? 0) / 1e12).toFixed(0)} TFLOP/s`);
      return {
        name: a.name,
        cells: [formatBytes(a.memoryBytes), peaks.filter((p) => /^(bf16|fp8)/.test(p)).join(", ")],
        json: { ...a },
        text: () =>
          [
            `memory     ${formatBytes(a.memoryBytes)} at ${(a.memoryBandwidth / 1e9).toFixed(0)} GB/s`,
            `peak       ${peaks.join(", ")}`,
            `links      ${a.intraKind}, ${(a.intraBandwidth / 1e9).toFixed(0)} GB/s a direction, ${a.domainSize} in a domain`,
            `also       ${a.aliases.join(", ")}`,
            ...a.sources.map((s) => `source     ${s.value}: ${s.source} (${s.date})`),
            "",
          ].join("\n"),
      };
    }),
  objectives: () =>
    objectives.map((o) => ({
      name: o.name,
      cells: [o.doc],
      json: { doc: o.doc, formats: o.formats, options: o.fields },
      text: () =>
        `${o.doc}\n\nreads: ${o.formats.join(", ")}\n${o.fields.map((f) => `  ${f.name.padEnd(16)} ${f.doc}${f.default === undefined ? "" : ` (${f.default})`}`).join("\n")}\n`,
    })),
  precisions: () =>
    precisions.map((p) => ({
      name: p.name,
      cells: [p.doc],
      json: { doc: p.doc, values: p.values },
      text: () =>
        `${p.doc}\n\n${Object.entries(p.values)
          .map(([k, v]) => `  ${k} = ${v}`)
          .join("\n")}\n`,
    })),
  examples: () =>
    folder("examples").map(({ name, text }) => ({
      name: name.replace(/\.llmp$/, ""),
      cells: [/^#\s*(.*)/.exec(text)?.[1] ?? ""],
      json: { file: `examples/${name}`, about: /^#\s*(.*)/.exec(text)?.[1] ?? "" },
      text: () => text,
    })),
};

function folder(name: string): readonly { readonly name: string; readonly text: string }[] {
  const at = path.join(packageRoot(), name);
  return readdirSync(at)
    .filter((f) => f.endsWith(".llmp"))
    .sort()
    .map((f) => ({ name: f, text: readFileSync(path.join(at, f), "utf8") }));
}
