/** A whole run of the shipped example: its file checked, its text read, its folder written; the graph by hand. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { check } from "../../src/checker/index.js";
import { nodeHost } from "../../src/cli/host.js";
import { parse } from "../../src/parser/index.js";
import { predictLocal } from "../../src/planner/local/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { openLanguageModel } from "../../src/runtime/sample/index.js";
import { runPlan } from "../../src/runtime/train/index.js";
import type { RunEvent } from "../../src/runtime/types.js";
import { openWeights } from "../../src/runtime/weights/index.js";
import { llama } from "./graphs.js";

const folder = mkdtempSync(join(tmpdir(), "llmp-run-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const graph = llama({ vocab: 320, hidden: 128, heads: 4, kvHeads: 2, ffn: 384, layers: 4, std: 0.02 });
function planOf(steps: number): Plan {
  const text = readFileSync("examples/shakespeare.llmp", "utf8");
  const { value: ast } = parse({ path: "examples/shakespeare.llmp", text });
  const { value: pipeline } = check(ast, nodeHost(), {});
  const parallel = { data: 1, tensor: 1, pipeline: 1, context: 1, expert: 1, micro_batch: 16, accumulation: 1 };
  const candidate = { contextLength: 128, recompute: [], parallel };
  const prediction = predictLocal(graph, candidate as unknown as Parameters<typeof predictLocal>[1]);
  return {
    source: "examples/shakespeare.llmp",
    hash: "h",
    pipeline,
    stages: [
      {
        name: "speak",
        engine: "llmp",
        precision: "fp32",
        cluster: { name: "local", provider: "local" },
        steps,
        context_length: 128,
        global_batch: 16,
        parallel,
        recompute: { summary: "none", layers: [], requested: "auto" },
        memory: { peak_bytes: prediction.peakBytes },
        time: { step_seconds: prediction.stepSeconds },
      },
    ],
  } as unknown as Plan;
}

describe("a run", () => {
  it("trains the example's text, keeps the peak that was planned, and leaves a model that can be asked", async () => {
    const events: RunEvent[] = [];
    for await (const event of runPlan(
      planOf(Number(process.env.LLMP_TEST_STEPS ?? 6)),
      { root: "examples", folder },
      { buildModel: () => graph },
    )) {
      events.push(event);
      if (process.env.LLMP_TEST_STEPS && event.kind === "step" && event.metrics.step % 20 === 0)
        console.log(event.metrics);
      if (process.env.LLMP_TEST_STEPS && event.kind === "evaluate") console.log(event.step, event.losses);
    }
    const done = events.at(-1);
    if (done?.kind !== "done") throw new Error("not done");
    const [stage] = done.summary.stages;
    if (process.env.LLMP_TEST_STEPS) console.log(stage);
    // Rows that pack several documents bring their numbers along: one int32 a token more.
    expect(stage!.measured.peak_bytes - stage!.predicted.peak_bytes).toBeOneOf([0, 4 * 16 * 128]);
    expect(stage!.first_loss).toBeGreaterThan(5);
    expect(stage!.final_loss).toBeLessThan(stage!.first_loss - 0.5);
    for (const file of ["plan.json", "summary.json", "speak/metrics.jsonl", "speak/final/config.json"])
      expect(existsSync(join(folder, file)), file).toBe(true);
    // What ends an answer: `generate` of transformers reads it from these, not from the tokenizer.
    const ids = { bos_token_id: 256, eos_token_id: 256, pad_token_id: 259 };
    const json = (file: string): unknown => JSON.parse(readFileSync(join(folder, "speak", "final", file), "utf8"));
    expect(json("config.json")).toMatchObject(ids);
    expect(json("generation_config.json")).toEqual(ids);
    const spec = { contextLength: { value: 128 } } as unknown as Parameters<typeof openLanguageModel>[0]["spec"];
    const model = await openLanguageModel({ graph, spec, weights: openWeights(join(folder, "speak", "final")) });
    const tokens = Int32Array.from(Buffer.from("To be, or not to b"));
    const logits = await model.next(tokens);
    const targets = Int32Array.from(Buffer.from("o be, or not to be"));
    const logProbs = await model.logProbs({ tokens, targets, sequences: 1, length: tokens.length });
    const top = Math.max(...logits);
    const total = logits.reduce((a, l) => a + Math.exp(l - top), 0);
    expect(logProbs.at(-1)).toBeCloseTo(logits[targets.at(-1)!]! - top - Math.log(total), 3);
    await model.close();
  });

  it("resumed when nothing is left to do, tells what the whole run measured", async () => {
    const before = JSON.parse(readFileSync(join(folder, "summary.json"), "utf8"));
    const steps = Number(process.env.LLMP_TEST_STEPS ?? 6);
    for await (const event of runPlan(
      planOf(steps),
      { root: "examples", folder, resume: true },
      { buildModel: () => graph },
    ))
      if (event.kind === "stage") expect(event.startStep).toBe(steps);
    expect(JSON.parse(readFileSync(join(folder, "summary.json"), "utf8"))).toEqual(before);
    expect(before.stages[0].first_loss).toBeGreaterThan(5);
  });
});
