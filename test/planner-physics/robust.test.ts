import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { calibrateRuns, type Run, validateRuns } from "../../src/planner/calibrate/index.js";
import { pipelined } from "./fixture.js";

const texts = [
  "",
  "none",
  "?",
  "H100",
  "gpu",
  "NaN",
  "fsdp-full",
  "zero3-offload",
  "7 x 800 Gbps",
  "mxfp4",
  "\u0000",
  "💥",
];
const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.constant(null),
  fc.constant(undefined),
  fc.boolean(),
  fc.constantFrom(0, -1, 0.5, 1, 3, 7, 8, 64, 8192, 1e9, 1e300, Number.NaN, Number.POSITIVE_INFINITY),
  fc.constantFrom(...texts),
  fc.constantFrom([], {}, ["8"], { a: 1 }),
);
const keys = Object.keys(pipelined) as (keyof Run)[];
const hostile = fc.dictionary(fc.constantFrom(...keys), anything, { maxKeys: 8 });

const finite = (x: number): boolean => Number.isFinite(x) && x > 0;

describe("a row of anyone's", () => {
  it("is predicted or skipped with a reason, whatever is in it", () => {
    fc.assert(
      fc.property(hostile, (odd) => {
        const row = { ...pipelined, ...odd } as Run;
        const [r] = validateRuns([row]).rows;
        if (r!.status === "skipped") expect(r!.reason).toMatch(/^lacks /);
        else {
          const p = r!.predicted!;
          for (const x of [p.step_seconds, p.peak_memory_gib, ...p.step_interval, ...p.memory_interval])
            expect(finite(x), JSON.stringify(odd)).toBe(true);
          expect(p.step_interval[0]).toBeLessThan(p.step_interval[1]);
        }
        for (const e of Object.values(r!.error)) expect(Number.isFinite(e)).toBe(true);
        for (const s of calibrateRuns([row], "test").stacks) expect(finite(s.timeFactor)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it.each([
    "A100",
    "NVIDIA A100-SXM4-80GB",
    "H100 SXM5",
    "H200",
    "B200",
    "GB200 NVL72",
    "GB300",
    "MI300X",
    "MI325X",
    "MI355X",
    "TPU v4",
    "TPU v5e",
    "TPU v5p",
    "TPU v6e",
    "trn1",
    "AWS Trainium2",
    "V100-SXM2-32GB",
    "RTX 4090",
    "RTX 5090",
    "RTX PRO 6000 Blackwell",
    "L4",
    "L40S",
    "A10G",
    "T4",
    "Gaudi2",
    "Ascend 910B",
    "P100",
    "GH200",
    "H20",
    "H800",
  ])("on %s is predicted", (gpu) => {
    const [r] = validateRuns([{ ...pipelined, gpu }]).rows;
    expect(finite(r!.predicted!.step_seconds)).toBe(true);
  });

  it("takes an unknown GPU with more memory for a newer one", () => {
    const of = (gpu: string): number => validateRuns([{ ...pipelined, gpu }]).rows[0]!.predicted!.step_seconds;
    expect(of("Fictional X9 190GB")).toBeLessThan(0.7 * of("Fictional X9 80GB"));
  });

  it("keeps what an unknown GPU's name says of its memory", () => {
    const fits = (gpu: string): boolean => validateRuns([{ ...pipelined, gpu }]).rows[0]!.predicted!.fits;
    expect(fits("Fictional X9 512GB")).toBe(true);
    expect(fits("Fictional X9 24GB")).toBe(false);
  });

  it("reads FSDP that does not reshard as gathered weights", () => {
    const of = (zero_or_fsdp: string): number =>
      validateRuns([{ ...pipelined, pp: 1, dp: 8, engine: "llm-foundry", zero_or_fsdp }]).rows[0]!.predicted!
        .peak_memory_gib;
    expect(of("fsdp-grad-op")).toBeGreaterThan(of("fsdp-full"));
  });
});
