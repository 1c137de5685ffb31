/** Delayed fp8 scales: Transformer Engine's rule, and what they do to a loss curve. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DelayedScaling, formats, roundValue } from "../../src/program/index.js";
import { readMetrics } from "../../src/runtime/metrics/index.js";

describe("scales", () => {
  /** As `_default_get_amax_and_update_history` and `_default_sf_compute` of transformer_engine/pytorch/fp8.py (2.x). */
  function reference(amaxes: readonly number[], history: number, margin: number, largest: number): number[] {
    const kept = new Array<number>(history).fill(0);
    let scale = 1;
    return amaxes.map((amax) => {
      kept[0] = amax;
      const top = Math.max(...kept);
      if (top > 0 && Number.isFinite(top)) scale = Math.fround(largest / top / 2 ** margin);
      kept.unshift(0);
      kept.pop();
      return scale;
    });
  }
  it.each([
    [4, 0],
    [1, 0],
    [3, 2],
  ])("follow the largest of the last %i steps, less a margin of 2^%i", (history, margin) => {
    const scaling = new DelayedScaling({ history, margin });
    const slot = scaling.slot("x", formats.e4m3);
    expect(slot.scale).toBe(1);
    const amaxes = [0, 3, 8, 2, 1, 1, 0.5, 0.25, 0, 0, 0, 0, 7];
    const got = amaxes.map((amax) => {
      slot.amax = amax;
      scaling.advance();
      return slot.scale;
    });
    expect(got).toEqual(reference(amaxes, history, margin, 448));
  });
  it("stay where a step was infinite or no number, and come back from a checkpoint", () => {
    const scaling = new DelayedScaling({ history: 4, margin: 0 });
    const slot = scaling.slot("x", formats.e5m2);
    for (const amax of [2, Number.POSITIVE_INFINITY, Number.NaN]) {
      slot.amax = amax;
      scaling.advance();
      expect(slot.scale).toBe(28672);
    }
    const again = new DelayedScaling({ history: 4, margin: 0 });
    for (const [name, values] of scaling.state()) again.restore(name, values);
    const same = again.slot("x", formats.e5m2);
    for (const amax of [1, 0, 0, 0.5]) {
      slot.amax = amax;
      same.amax = amax;
      scaling.advance();
      again.advance();
      expect(same.scale).toBe(slot.scale);
    }
  });
  it("what is beyond them saturates, and NaN stays NaN (OFP8 1.0, section 5.2: saturating conversion)", () => {
    for (const format of [formats.e4m3, formats.e5m2]) {
      for (const sign of [1, -1])
        for (const x of [format.largest * 1.01, 1e9, 3.4e38, Number.POSITIVE_INFINITY])
          expect(roundValue(sign * x, format)).toBe(sign * format.largest);
      expect(roundValue(Number.NaN, format)).toBeNaN();
    }
  });
});

describe("llmp run", () => {
  const root = mkdtempSync(join(tmpdir(), "llmp-delayed-"));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const cli = join(import.meta.dirname, "../../dist/llmp.js");
  const run = (name: string, precision: string, ...args: string[]) => {
    writeFileSync(join(root, "text.txt"), "the cat sat on the mat, the dog ran after it\n".repeat(100));
    writeFileSync(
      join(root, `${name}.llmp`),
      `tokenizer letters { kind = bytes }
       dataset text { source = "text.txt", format = text }
       model tiny { architecture = llama, layers = 2, hidden = 32, heads = 4, kv_heads = 2, ffn = 64, vocab = 320, context_length = 32 }
       precision small: ${precision}
       train t {
         objective = pretrain, model = tiny, data = text, steps = 16, batch = 8 sequences, precision = small
         optimizer = adamw { lr = 3e-3 }
         save = every 8 steps
       }\n`,
    );
    const out = execFileSync(process.execPath, [cli, "run", `${name}.llmp`, "--backend", "wasm", "--json", ...args], {
      cwd: root,
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [stage] = (JSON.parse(String(out)) as { stages: [Stage] }).stages;
    const folder = join(root, `runs/${name}/t`);
    return {
      stage,
      losses: readMetrics(join(folder, "metrics.jsonl")).map((m) => m.loss),
      weights: readFileSync(join(folder, "final/model.safetensors")),
    };
  };
  it("learns under delayed scales as under current ones and bf16, and resumes to the bit with its history", () => {
    const delayed = run("delayed", "fp8 { recipe = delayed }");
    const current = run("current", "fp8 {}");
    const bf16 = run("bf16", "bf16 {}");
    expect(delayed.losses[0]! - delayed.losses.at(-1)!).toBeGreaterThan(0.5);
    for (const [i, loss] of delayed.losses.entries()) {
      expect(Math.abs(loss - current.losses[i]!)).toBeLessThan(0.15);
      expect(Math.abs(loss - bf16.losses[i]!)).toBeLessThan(0.2);
    }
    expect(delayed.losses).not.toEqual(current.losses);
    expect(delayed.weights.equals(current.weights)).toBe(false);

    run("resumed", "fp8 { recipe = delayed }", "--steps", "8");
    expect(run("resumed", "fp8 { recipe = delayed }", "--resume").weights.equals(delayed.weights)).toBe(true);
    const { measured, predicted } = delayed.stage;
    expect(Math.abs(measured.peak_bytes / predicted.peak_bytes - 1)).toBeLessThan(0.01);
  });
});

interface Stage {
  readonly measured: { readonly peak_bytes: number };
  readonly predicted: { readonly peak_bytes: number };
}
