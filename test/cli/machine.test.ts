import { availableParallelism } from "node:os";
import { expect, it } from "vitest";
import { calibrationProbes, thisMachine } from "../../src/cli/machine.js";
import { factors } from "../../src/runtime/calibrate/fit.js";

it("builds the models that calibration trains", async () => {
  const probes = await calibrationProbes();
  expect(probes.length).toBeGreaterThanOrEqual(6);
  expect(probes.map((p) => p.graph.architecture)).toContain("mixtral");
  expect(probes.map((p) => p.compute ?? "fp32")).toContain("bf16");
});

it("finds the factors that explain whole steps, and leaves alone what no step tells", () => {
  const truth = [1.2, 2, 0.6];
  const step = (...seconds: number[]): number[] => {
    const measured = seconds.reduce((sum, s, i) => sum + s * truth[i]!, 0);
    return [...seconds.map((s) => s / measured), 0];
  };
  const steps = [step(1, 0.2, 0.3), step(0.5, 0.8, 0.1), step(2, 0.1, 0.9), step(0.1, 0.3, 2)];
  const found = factors(steps, 1e-9);
  truth.forEach((factor, i) => {
    expect(found[i]).toBeCloseTo(factor, 5);
  });
  expect(found[3]).toBeCloseTo(1, 6);
  // All alike: one factor for all that they have.
  const alike = factors([
    [1 / 3, 1 / 3],
    [1 / 3, 1 / 3],
  ]);
  expect(alike[0]).toBeCloseTo(alike[1]!, 9);
  expect((alike[0]! + alike[1]!) / 3).toBeGreaterThan(0.9);
  // A part that would have to take less than nothing keeps a little.
  expect(
    Math.min(
      ...factors(
        [
          [1, 0.5],
          [1, 0.1],
        ],
        1e-9,
      ),
    ),
  ).toBeGreaterThanOrEqual(0.25);
});

it("plans for a named backend with constants of its own before it was measured", async () => {
  const machine = await thisMachine();
  expect(machine("tensorflow")).toMatchObject({ backend: "tensorflow", calibrated: false });
  expect(machine("wasm")).toMatchObject({ backend: "wasm", cores: availableParallelism(), calibrated: false });
});
