import { readdirSync, readFileSync } from "node:fs";
import { check } from "../../../../src/checker/index.js";
import { differences } from "../../../../src/cli/commands/diff.js";
import { planOf } from "../../../../src/cli/plan/input.js";
import { emit, emitters } from "../../../../src/emit/index.js";
import { bundledHardware } from "../../../../src/hardware/index.js";
import { type ImportHost, importConfig, importerOf, importers } from "../../../../src/import/index.js";
import { parse } from "../../../../src/parser/index.js";
import { predictRun, readCalibration, readRuns } from "../../../../src/planner/calibrate/index.js";
import { plan } from "../../../../src/planner/index.js";
import { renderPlan } from "../../../../src/report/index.js";
import { at, bytes, type Target, text } from "./types.js";

function planned(example: string): Uint8Array {
  const file = { path: `${example}.llmp`, text: readFileSync(at("examples", `${example}.llmp`), "utf8") };
  const host = { read: (f: string) => (f.startsWith("std/") ? readFileSync(at(f), "utf8") : undefined) };
  const { value } = check(parse(file).value, host);
  if (value === undefined) throw new Error(example);
  return bytes(JSON.stringify(plan(value, bundledHardware()).value));
}

/** ts-morph takes a second to start and is one printer behind the same plan. */
const targets = emitters.filter((e) => e.name !== "typescript");
const plans = ["llama3-8b-domain", "moe-mixtral-like", "mistral-7b-lora"].map(planned);

const foreign = readdirSync(at("test/model/foreign")).filter((f) => !f.endsWith(".llmp"));
const importHost: ImportHost = {
  models: [{ name: "llama3_8b", family: "std/llama3" }],
  config: () => undefined,
  gpus: 8,
};

const run = {
  id: "a",
  model: "llama2-70b",
  accelerator: "H100",
  nodes: 8,
  gpus: 64,
  tp: 8,
  pp: 1,
  dp: 8,
  global_batch: 64,
  micro_batch: 1,
  seq_len: 4096,
  dtype: "bf16",
  step_seconds: 10,
};
const calibration = {
  schema: "llmp.calibration/1",
  stacks: [
    {
      engine: "megatron",
      accelerator: "h100",
      timeFactor: 1.1,
      memoryOffsetBytes: 0,
      memoryFactor: 1,
      rows: 1,
    },
  ],
};

export const files: readonly Target[] = [
  {
    name: "plan file",
    json: true,
    weight: 3,
    seeds: plans,
    run: async (input) => {
      const read = planOf(text(input));
      if ("problem" in read) return;
      renderPlan(read);
      differences(read, read);
      const target = targets[input.reduce((a, b) => (a + b) & 0xffff, 0) % targets.length];
      if (target !== undefined && read.outcome === "ok") await emit(target.name, read);
    },
  },
  {
    name: "imported configuration",
    seeds: foreign.map((f) => readFileSync(at("test/model/foreign", f))),
    run: (input) => {
      const source = { path: "x.yaml", text: text(input) };
      const importer = importerOf(source) ?? importers[input.length % importers.length];
      if (importer !== undefined) importConfig(importer, source, importHost);
    },
  },
  {
    name: "runs to validate",
    json: true,
    seeds: [bytes(JSON.stringify(run))],
    run: (input) => {
      for (const row of readRuns(text(input)).runs) predictRun(row);
    },
  },
  {
    name: "calibration",
    json: true,
    seeds: [bytes(JSON.stringify(calibration))],
    run: (input) => {
      const file = readCalibration(text(input));
      if (!("problem" in file)) predictRun(run as never, file);
    },
  },
];
