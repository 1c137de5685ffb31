/** LoRA and QLoRA: what trains, what stays, what is exported. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Adapter, Precision, Stage } from "../../src/checker/pipeline.js";
import { buildGraph } from "../../src/model/index.js";
import { predictLocal } from "../../src/planner/local/index.js";
import {
  freeState,
  makeState,
  microBatchStep,
  nf4Levels,
  packNf4,
  putBatch,
  storedWeights,
  unpackNf4,
} from "../../src/program/index.js";
import { type Backend, startBackend } from "../../src/runtime/backend/index.js";
import { openCheckpoints } from "../../src/runtime/checkpoint/index.js";
import { memoryStore } from "../../src/runtime/sample/index.js";
import { initialValues, type StageInput, type StageSummary, trainStage } from "../../src/runtime/train/index.js";
import type { RunEvent } from "../../src/runtime/types.js";
import { openWeights, readAdapter } from "../../src/runtime/weights/index.js";
import { specOf } from "./models.js";

const folder = mkdtempSync(join(tmpdir(), "llmp-adapter-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let backend: Backend;
beforeAll(async () => {
  backend = await startBackend("wasm");
});

describe("nf4", () => {
  it("takes each value to the nearest level of its block", () => {
    const levels = Float32Array.from(nf4Levels);
    const values = Float32Array.from({ length: 150 }, (_, i) => Math.sin(i) * (i < 64 ? 3 : 0.01));
    const { codes, scales } = packNf4(values);
    const out = new Float32Array(150);
    unpackNf4(codes, scales, out);
    values.forEach((value, i) => {
      const top = Math.max(...values.slice(64 * Math.floor(i / 64), 64 * Math.floor(i / 64) + 64).map(Math.abs));
      const best = Math.min(...levels.map((l) => Math.abs(l * top - value)));
      expect(Math.abs(out[i]! - value)).toBeLessThanOrEqual(best * 1.0001 + 1e-9);
    });
    const again = packNf4(out);
    expect(again.codes).toEqual(codes);
    expect(again.scales).toEqual(scales);
  });
  it("keeps zeros, and has the levels of the paper", () => {
    const out = new Float32Array(64);
    unpackNf4(...(Object.values(packNf4(new Float32Array(64))) as [Int32Array, Float32Array]), out);
    expect(out.every((x) => x === 0)).toBe(true);
    // QLoRA, appendix E: quantiles of N(0, 1), 8 below zero and 9 above with zero shared, scaled to [−1, 1].
    expect(nf4Levels).toHaveLength(16);
    expect(nf4Levels[1]).toBeCloseTo(-0.6961928, 6);
    expect(nf4Levels[14]).toBeCloseTo(0.7229568, 6);
  });
});

const known = <T>(value: T) => ({ value, from: "default" as const });
const spec = specOf(
  "architecture = llama, layers = 2, hidden = 32, heads = 4, kv_heads = 2, ffn = 48, vocab = 29, context_length = 24",
);
const base = buildGraph(spec);
const length = 24;
const rows = 6;
const batchOf = (step: number) => {
  const n = rows * length;
  const at = (i: number): number => ((Math.floor(i / length) + 3 * step) * 7 + (i % length) * 3) % 29;
  return {
    sequences: rows,
    length,
    tokens: Int32Array.from({ length: n }, (_, i) => at(i)),
    targets: Int32Array.from({ length: n }, (_, i) => (at(i) + 3) % 29),
    weights: new Float32Array(n).fill(1),
  };
};

describe.each(["lora", "qlora"] as const)("%s", (kind) => {
  const adapter = {
    name: "a",
    kind: known(kind),
    rank: known(4),
    alpha: known(8),
    dropout: known(0),
    targets: known(["all_linear"]),
  } as unknown as Adapter;
  const graph = buildGraph(spec, { adapter });
  const start = storedWeights(base).map((w) => ({ name: w.name, shape: w.spec.shape, values: initialValues(w, 11) }));

  it("learns in the low-rank matrices only, peaks as planned, and exports what it is", async () => {
    const parallel = { micro_batch: 3, accumulation: 2 };
    const candidate = { contextLength: length, recompute: [], parallel } as unknown as Parameters<
      typeof predictLocal
    >[1];
    const prediction = predictLocal(graph, candidate);
    const stage = {
      name: "s",
      adapter: known("a"),
      objective: { kind: "pretrain", options: {} },
      seed: known(7),
      optimizer: known({
        kind: "adamw",
        lr: 2e-2,
        minLr: 2e-3,
        weightDecay: 0,
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        clip: 1,
        schedule: { kind: "constant" as const, warmup: { unit: "steps" as const, amount: 0 }, decay: 0.1 },
      }),
    } as unknown as Stage;
    const input = {
      graph,
      stage,
      plan: {
        name: "s",
        steps: 15,
        context_length: length,
        global_batch: rows,
        parallel,
        recompute: { summary: "none", layers: [], requested: "auto" },
        memory: { peak_bytes: prediction.peakBytes },
        time: { step_seconds: 1 },
      } as unknown as StageInput["plan"],
      precision: { compute: known("fp32"), lossScale: known("none") } as unknown as Precision,
      backend,
      source: {
        datasetNames: ["d"],
        batch: async (step: number) => batchOf(step),
        holdout: async () => ({ d: [batchOf(1000)] }),
        close: async () => {},
      },
      weights: memoryStore(start),
      resume: false,
      checkpoints: openCheckpoints({
        stageFolder: join(folder, kind),
        planHash: "h",
        files: { "config.json": "{}" },
        adapter,
        baseModel: "m",
      }),
    } satisfies StageInput;
    const events: RunEvent[] = [];
    const run = trainStage(input);
    let summary: StageSummary | undefined;
    for (;;) {
      const { value, done } = await run.next();
      if (done === true) {
        summary = value;
        break;
      }
      events.push(value);
    }
    expect(summary.measured.peak_bytes).toBe(prediction.peakBytes);
    expect(summary.final_loss).toBeLessThan(summary.first_loss - 0.3);
    expect(backend.meter.bytes).toBe(0);
    const final = join(folder, kind, "final");
    const { lora, rank, alpha } = await readAdapter(join(final, "adapter"));
    expect([rank, alpha, lora.length]).toEqual([4, 8, 2 * 7 * 2]);
    expect(JSON.parse(readFileSync(join(final, "adapter", "adapter_config.json"), "utf8")).target_modules).toContain(
      "q_proj",
    );
    // The merged folder is a plain model: it has the loss that the adapted one had.
    const store = openWeights(final);
    const merged = new Map<string, Float32Array>();
    for (const { name } of storedWeights(base)) merged.set(name, (await store.read(name))!.values);
    await store.close();
    const embed = "model.embed_tokens.weight";
    expect(merged.get(embed)).toEqual(start.find((w) => w.name === embed)!.values);
    const { algebra } = backend;
    const state = makeState(algebra, base, length, (w) => merged.get(w.name)!, false);
    const there = putBatch(algebra, batchOf(1000));
    const losses = microBatchStep(algebra, state, there, [], undefined);
    const loss = algebra.read(losses).reduce((a, b) => a + b, 0) / (rows * length);
    algebra.free(losses);
    there.free();
    freeState(algebra, state);
    const evaluation = events.filter((e) => e.kind === "evaluate").at(-1);
    expect(loss).toBeCloseTo(evaluation?.kind === "evaluate" ? evaluation.losses.d! : Number.NaN, 4);
  });
});

it("4-bit weights take an eighth of the bytes", () => {
  const adapterOf = (kind: string) =>
    ({
      kind: known(kind),
      rank: known(4),
      alpha: known(8),
      dropout: known(0),
      targets: known(["all_linear"]),
    }) as unknown as Adapter;
  const candidate = {
    contextLength: length,
    recompute: [],
    parallel: { micro_batch: 1, accumulation: 1 },
  } as unknown as Parameters<typeof predictLocal>[1];
  const rest = (kind: string) => predictLocal(buildGraph(spec, { adapter: adapterOf(kind) }), candidate).restBytes;
  const packed = storedWeights(buildGraph(spec, { adapter: adapterOf("qlora") })).filter(
    (w) => w.spec.stored === "nf4",
  );
  // 4 bits a value, 8 a block of 64, 32 a group of 256 blocks, 32 for the mean.
  const spared = packed.map((w) => {
    const values = w.spec.shape.reduce((a, b) => a * b, 1);
    const blocks = Math.ceil(values / 64);
    return 4 * values - values / 2 - 4 * Math.ceil(blocks / 4) - 4 * (Math.ceil(blocks / 256) + 1);
  });
  expect(rest("lora") - rest("qlora")).toBe(spared.reduce((a, b) => a + b, 0));
});
