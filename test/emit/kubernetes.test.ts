/** Manifests against the real schemas of their kinds (crds/, with sources): unknown fields are refused, as the API server prunes them. */
import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { loadAll } from "js-yaml";
import { describe, expect, it } from "vitest";
import { emit } from "../../src/emit/index.js";
import { cases } from "./fixtures/cases.js";
import { exampleNames, examplePlan, moved } from "./fixtures/examples.js";

const ajv = new Ajv({ strict: false, allErrors: true });
const schemaOf = (kind: string) =>
  ajv.compile((JSON.parse(readFileSync(`test/emit/crds/${kind}.json`, "utf8")) as { schema: object }).schema);
const kinds = {
  PyTorchJob: schemaOf("PyTorchJob"),
  TrainJob: schemaOf("TrainJob"),
  HyperPodPyTorchJob: schemaOf("HyperPodPyTorchJob"),
};

interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
}

async function resources(): Promise<Resource[]> {
  const all: Resource[] = [];
  const plans = [
    ...Object.values(cases).map((make) => make()),
    ...exampleNames.flatMap((name) => (["hyperpod", "kubernetes"] as const).map((p) => moved(examplePlan(name), p))),
  ];
  for (const plan of plans)
    for (const target of ["hyperpod-eks", "kubernetes"])
      for (const file of (await emit(target, plan)).value ?? [])
        if (/job\.yaml$/.test(file.path)) all.push(...(loadAll(file.text) as Resource[]));
  return all;
}

describe("manifests", async () => {
  const all = await resources();

  it.each(Object.keys(kinds) as (keyof typeof kinds)[])("%s follows its schema", (kind) => {
    const jobs = all.filter((r) => r.kind === kind);
    expect(jobs.length).toBeGreaterThan(3);
    for (const job of jobs) {
      kinds[kind](job);
      expect(kinds[kind].errors ?? [], job.metadata.name).toEqual([]);
    }
  });

  it("refuses a field that there is not (the schemas are strict)", () => {
    const job = JSON.parse(JSON.stringify(all.find((r) => r.kind === "PyTorchJob"))) as {
      spec: Record<string, unknown>;
    };
    job.spec.nprocPerNodes = "8";
    expect(kinds.PyTorchJob(job)).toBe(false);
  });

  it("carries the engine's files in a ConfigMap below its limit of 1 MiB, named as Kubernetes allows", () => {
    const maps = all.filter((r) => r.kind === "ConfigMap");
    for (const map of maps) {
      expect(Buffer.byteLength(JSON.stringify(map.data))).toBeLessThan(1024 ** 2);
      for (const key of Object.keys(map.data ?? {})) expect(key).toMatch(/^[-._a-zA-Z0-9]+$/);
      expect(map.data?.["entry.sh"]).toContain("set -euo pipefail");
    }
    for (const r of all) expect(r.metadata.name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
  });
});
