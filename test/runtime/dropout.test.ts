/** Dropout's masks are functions of seed, step, layer and place; the loss under them has the gradient that is computed. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeState, microBatchStep, putBatch } from "../../src/program/index.js";
import { fillMask, inLayer, noiseOf } from "../../src/program/noise.js";
import { startBackend } from "../../src/runtime/backend/index.js";
import { batchAt } from "../../src/runtime/parallel/rehearsal/steps.js";
import { graphOf } from "../parallel/helpers.js";
import { modes, values } from "./steps.js";

describe("masks", () => {
  const mask = (step: number, layer: number, name: string, rate = 0.25): Float32Array => {
    const out = new Float32Array(400 * 256);
    fillMask(out, inLayer(noiseOf(7, step, 400), layer), name, rate);
    return out;
  };
  it("drop the rate asked for, in all rows and columns, and keep the mean", () => {
    const m = mask(3, 1, "attn.dropout");
    const kept = Math.fround(1 / 0.75);
    expect(new Set(m)).toEqual(new Set([0, kept]));
    const dropped = (part: ArrayLike<number>): number => Array.from(part).filter((x) => x === 0).length / part.length;
    // Four standard deviations.
    expect(Math.abs(dropped(m) - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / m.length));
    for (let r = 0; r < 400; r += 40)
      expect(Math.abs(dropped(m.subarray(r * 256, (r + 1) * 256)) - 0.25)).toBeLessThan(0.11);
    for (let c = 0; c < 256; c += 32)
      expect(Math.abs(dropped(Array.from({ length: 400 }, (_, r) => m[r * 256 + c]!)) - 0.25)).toBeLessThan(0.09);
  });
  it("of other steps, layers and ops have nothing to do with each other", () => {
    const first = mask(3, 1, "attn.dropout");
    for (const other of [mask(4, 1, "attn.dropout"), mask(3, 2, "attn.dropout"), mask(3, 1, "mlp.dropout")]) {
      const same = first.filter((x, i) => (x === 0) === (other[i] === 0)).length / first.length;
      // 0.25² + 0.75²
      expect(Math.abs(same - 0.625)).toBeLessThan(0.01);
    }
    expect(mask(3, 1, "attn.dropout")).toEqual(first);
  });
  it("depend on the token's place in the whole batch, not on the part that is looked at", () => {
    const whole = new Float32Array(40);
    const noise = noiseOf(7, 0, 10);
    fillMask(whole, noise, "a", 0.5);
    const part = new Float32Array(12);
    fillMask(part, { ...noise, rows: noise.rows.subarray(4, 7) }, "a", 0.5);
    expect(part).toEqual(whole.subarray(16, 28));
  });
});

describe("a model with dropout", () => {
  const graph = graphOf(
    "architecture = gpt2, dropout = 30%, layers = 2, hidden = 32, heads = 4, ffn = 48, vocab = 67, context_length = 16",
  );
  const objective = { kind: "pretrain", options: {} };
  const lesson = {
    graph,
    optimizer: "sgd" as const,
    objective,
    microBatch: 1,
    sequences: 4,
    length: 16,
    steps: 1,
    packed: false,
    seed: 5,
  };
  const whole = batchAt(lesson, 0);
  const weights = values(graph);

  async function run(backend: string, batch: typeof whole, recompute = modes.none!, w = weights) {
    const { algebra } = await startBackend(backend);
    const state = makeState(algebra, graph, 16, ({ name }) => w.get(name)!, true);
    const there = putBatch(algebra, batch);
    const losses = microBatchStep(algebra, state, there, recompute, 1);
    const loss = algebra.read(losses).reduce((a, b) => a + b, 0);
    const gradients = new Map([...state.gradients].map(([name, g]) => [name, algebra.read(g)]));
    algebra.free(losses);
    there.free();
    for (const t of [...state.weights.values(), ...state.gradients.values()]) algebra.free(t);
    return { loss, gradients };
  }
  const { noise: _, ...quiet } = whole;

  it("has the gradient of its loss under the same masks", async () => {
    const { gradients } = await run("cpu", whole);
    for (const name of ["transformer.wte.weight", "transformer.h.1.attn.c_proj.weight", "transformer.ln_f.weight"]) {
      const g = gradients.get(name)!;
      const size = Math.sqrt(g.reduce((s, x) => s + x * x, 0));
      const step = 1e-2;
      const moved = async (sign: number): Promise<number> => {
        const w = new Map(weights);
        w.set(
          name,
          weights.get(name)!.map((x, i) => x + (sign * step * g[i]!) / size),
        );
        return (await run("cpu", whole, modes.none, w)).loss;
      };
      const slope = ((await moved(1)) - (await moved(-1))) / (2 * step);
      expect(Math.abs(slope / size - 1)).toBeLessThan(5e-3);
    }
    const without = await run("cpu", quiet);
    expect(without.loss).not.toBeCloseTo((await run("cpu", whole)).loss, 1);
  });

  it("recomputed, in micro-batches and on another backend drops the same", async () => {
    const plain = await run("wasm", whole);
    for (const mode of ["full", "a few ops"]) {
      const again = await run("wasm", whole, modes[mode]);
      expect(again.loss).toBe(plain.loss);
      for (const [name, g] of plain.gradients) expect(again.gradients.get(name)).toEqual(g);
    }
    const n = 2 * 16;
    const halves = [0, n].map((from) => ({
      ...quiet,
      sequences: 2,
      tokens: whole.tokens.subarray(from, from + n),
      targets: whole.targets.subarray(from, from + n),
      weights: whole.weights.subarray(from, from + n),
      noise: { ...whole.noise!, rows: whole.noise!.rows.subarray(from, from + n) },
    }));
    let loss = 0;
    for (const half of halves) loss += (await run("wasm", half)).loss;
    expect(Math.abs(loss / plain.loss - 1)).toBeLessThan(1e-5);
    expect(Math.abs((await run("cpu", whole)).loss / plain.loss - 1)).toBeLessThan(1e-5);
  });
});

describe("llmp run with dropout", () => {
  const root = mkdtempSync(join(tmpdir(), "llmp-dropout-"));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const cli = join(import.meta.dirname, "../../dist/llmp.js");
  const run = (name: string, dropout: string, ...args: string[]) => {
    writeFileSync(join(root, "text.txt"), "the cat sat on the mat, the dog ran after it\n".repeat(100));
    writeFileSync(
      join(root, `${name}.llmp`),
      `tokenizer letters { kind = bytes }
       dataset text { source = "text.txt", format = text }
       model tiny { architecture = gpt2, layers = 2, hidden = 32, heads = 4, ffn = 64, vocab = 320, context_length = 32, dropout = ${dropout} }
       train t {
         objective = pretrain, model = tiny, data = text, steps = 4, batch = 4 sequences, precision = fp32
         optimizer = adamw { lr = 2e-3 }
         save = every 2 steps
       }\n`,
    );
    const out = execFileSync(process.execPath, [cli, "run", `${name}.llmp`, "--backend", "wasm", "--json", ...args], {
      cwd: root,
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [stage] = (JSON.parse(String(out)) as { stages: [Stage] }).stages;
    return { stage, weights: readFileSync(join(root, `runs/${name}/t/final/model.safetensors`)) };
  };
  it("peaks where the plan says, and resumed ends with the same weights to the bit", () => {
    const straight = run("straight", "20%");
    // The plan counts segment ids, which plain text has not.
    const { measured, predicted } = straight.stage;
    expect(measured.peak_bytes + 4 * 4 * 32).toBe(predicted.peak_bytes);
    run("resumed", "20%", "--steps", "2");
    const resumed = run("resumed", "20%", "--resume");
    expect(resumed.stage.steps).toBe(4);
    expect(resumed.weights.equals(straight.weights)).toBe(true);
    expect(run("without", "0%").weights.equals(straight.weights)).toBe(false);
  });
});

interface Stage {
  readonly steps: number;
  readonly measured: { readonly peak_bytes: number };
  readonly predicted: { readonly peak_bytes: number };
}
