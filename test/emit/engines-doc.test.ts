import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { engineProfiles, engines, objectives, optimizers } from "../../src/catalog/index.js";
import { lowerings, renderEngines } from "../../src/emit/index.js";
import { architectures } from "../../src/schema/index.js";

describe("docs/ENGINES.md", () => {
  it("is what the capabilities say (UPDATE_DOCS=1 npx vitest run test/emit/engines-doc.test.ts writes it)", async () => {
    if (process.env.UPDATE_DOCS === "1")
      await import("node:fs").then((fs) => fs.writeFileSync("docs/ENGINES.md", renderEngines()));
    expect(readFileSync("docs/ENGINES.md", "utf8")).toBe(renderEngines());
  });
});

describe("capabilities", () => {
  it("name only objectives, optimizers and architectures that there are", () => {
    for (const { name, can } of engines) {
      for (const o of can.objectives)
        expect(
          objectives.map((x) => x.name),
          name,
        ).toContain(o);
      for (const o of can.optimizers)
        expect(
          optimizers.map((x) => x.name),
          name,
        ).toContain(o);
      if (can.architectures !== "all")
        for (const a of can.architectures) expect(Object.keys(architectures), name).toContain(a);
    }
  });

  it("give a reason, with where it comes from, for every no", () => {
    for (const { name, can } of engines) {
      const no = (key: string): void => {
        const [group = ""] = key.split(".");
        const value = key.slice(group.length + 1);
        expect(can.because[key] ?? can.because[value] ?? can.because[group], `${name}: ${key}`).toBeTruthy();
      };
      for (const o of objectives) if (!can.objectives.includes(o.name)) no(`objectives.${o.name}`);
      for (const o of optimizers) if (!can.optimizers.includes(o.name)) no(`optimizers.${o.name}`);
      for (const p of ["fp32", "tf32", "fp16", "bf16", "fp8", "mxfp8"])
        if (!can.precisions.includes(p)) no(`precisions.${p}`);
      for (const s of ["none", "zero1", "zero2", "zero3", "hsdp"]) if (!can.shards.includes(s)) no(`shards.${s}`);
      for (const axis of ["tensor", "sequence", "pipeline", "context", "expert", "unevenPipeline"] as const)
        if (!can[axis]) no(axis);
      for (const r of ["none", "full", "selective", "every", "block", "ops", "perLayer"] as const)
        if (!can.recompute.includes(r)) no(`recompute.${r}`);
      for (const o of ["activations", "optimizer"]) if (!can.offload.includes(o)) no(`offload.${o}`);
      if (can.architectures !== "all") no("architectures");
    }
  });

  it("every engine but our own runtime is lowered", () => {
    expect(lowerings.map((l) => l.name).sort()).toEqual(
      engineProfiles
        .map((p) => p.name)
        .filter((n) => n !== "llmp")
        .sort(),
    );
  });
});
