import { describe, expect, it } from "vitest";
import { calibrateRuns, type Run, readCalibration, readRuns, validateRuns } from "../../src/planner/calibrate/index.js";
import { interleaved, measured, pipelined } from "./fixture.js";

describe("published allocated memory", () => {
  it("is met within 2%", () => {
    const { summary, rows } = validateRuns([...measured, interleaved]);
    expect(summary.memory_allocated!.median_abs_pct).toBeLessThan(1);
    for (const r of rows) expect(Math.abs(r.error.memory_pct!), r.id).toBeLessThan(2);
  });
});

describe("validate", () => {
  it("prints what DESIGN section 7 says", () => {
    const { schema, rows, summary } = validateRuns([pipelined]);
    expect(schema).toBe("llmp.validation/1");
    const [row] = rows;
    expect(row).toMatchObject({ id: "pp2", status: "predicted", measured: { outcome: "ok", step_seconds: 0.843 } });
    const p = row!.predicted!;
    expect(p.step_interval[0]).toBeLessThan(p.step_seconds);
    expect(p.step_interval[1]).toBeGreaterThan(p.step_seconds);
    expect(p.memory_interval[0]).toBeLessThan(p.peak_memory_gib);
    expect(p.fits).toBe(true);
    expect(row!.error.step_pct).toBeCloseTo(100 * (p.step_seconds / 0.843 - 1), 9);
    expect(summary).toMatchObject({ rows: 1, predicted: 1, skipped: 0 });
    expect(JSON.parse(JSON.stringify(rows))).toEqual(rows);
  });

  it("skips a row only for what it lacks, and says what", () => {
    const [row] = validateRuns([{ ...pipelined, hidden: null, layers: null }]).rows;
    expect(row).toMatchObject({ status: "skipped", reason: "lacks layers, hidden" });
  });

  it("predicts unknown engines and GPUs, with wider intervals", () => {
    const width = (run: Run): number => {
      const [low, high] = validateRuns([run]).rows[0]!.predicted!.step_interval;
      return high / low;
    };
    expect(width({ ...pipelined, engine: "nobody's engine", gpu: "X1 48GB" })).toBeGreaterThan(width(pipelined));
  });

  it("predicts every kind of training and sharding", () => {
    for (const more of [
      { method: "lora" },
      { method: "qlora", gpu: "RTX 4090", gpus: 1, dp: 1, pp: 1, global_batch: 4 },
      { precision: "fp8" },
      { precision: "mxfp8", gpu: "GB200", gpus_per_node: 4 },
      { cp: 2, dp: 2 },
      { experts: 8, experts_per_token: 2, moe_ffn: 4096, ep: 4 },
      { zero_or_fsdp: "fsdp-full", pp: 1, dp: 8, engine: "torchtitan", compile: false },
      { zero_or_fsdp: "hsdp", pp: 1, dp: 64, gpus: 64, engine: "fms-fsdp", global_batch: 64 },
      { zero_or_fsdp: null, vpp: null, sequence_parallel: null, flash_attention: null },
    ] as Partial<Run>[]) {
      const [row] = validateRuns([{ ...pipelined, ...more }]).rows;
      expect(row!.status, JSON.stringify(more)).toBe("predicted");
      expect(row!.predicted!.step_seconds).toBeGreaterThan(0.001);
      expect(row!.predicted!.step_seconds).toBeLessThan(1000);
      expect(Number.isFinite(row!.predicted!.peak_memory_gib)).toBe(true);
    }
  });

  it("refuses what cannot fit", () => {
    const huge = { ...pipelined, layers: 80, outcome: "oom" };
    expect(validateRuns([huge]).rows[0]!.predicted!.fits).toBe(false);
    expect(validateRuns([huge]).summary.oom).toEqual({ rows: 1, refused: 1 });
  });

  it("reads a thousand rows in well under ten seconds", () => {
    const start = performance.now();
    validateRuns(Array.from({ length: 1000 }, (_, i) => ({ ...pipelined, id: `${i}`, hidden: 4096 + 128 * (i % 50) })));
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe("calibrate", () => {
  it("takes most of a stack's error away with one run", () => {
    const slower = measured.map((r) => ({ ...r, measured_iteration_s: r.measured_iteration_s! * 1.3 }));
    const before = validateRuns(slower).summary.step!.median_abs_pct;
    const after = validateRuns(slower, calibrateRuns(slower.slice(0, 1), "one")).summary.step!.median_abs_pct;
    expect(before).toBeGreaterThan(18);
    expect(after).toBeLessThan(0.5 * before);
  });

  it("writes what validate and plan read", () => {
    const file = calibrateRuns(measured, "test");
    const read = readCalibration(JSON.stringify(file));
    expect(read).toEqual(JSON.parse(JSON.stringify(file)));
    expect(file.stacks).toHaveLength(1);
    expect(file.stacks[0]).toMatchObject({ engine: "megatron", accelerator: "B200-SXM", rows: 4 });
    expect(readCalibration("{}")).toHaveProperty("problem");
    expect(readCalibration("not json")).toHaveProperty("problem");
  });

  it("names lines that are no runs", () => {
    const { runs, problems } = readRuns(`{"id":"a"}\nnonsense\n\n[1]\n`);
    expect(runs).toEqual([{ id: "a" }]);
    expect(problems).toHaveLength(2);
  });
});
