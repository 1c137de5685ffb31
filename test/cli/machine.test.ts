import { availableParallelism } from "node:os";
import { expect, it } from "vitest";
import { probeGraphs, thisMachine } from "../../src/cli/machine.js";
import { factors } from "../../src/runtime/calibrate/fit.js";

it("builds the models that calibration trains", async () => {
  const graphs = await probeGraphs();
  expect(graphs.map((g) => g.vocab)).toEqual([8192, 512]);
});

it("finds the factors that explain whole steps, and one for both where steps are too alike", () => {
  const step = (products: number, rest: number) => ({ products, rest, measured: 1.2 * products + 2 * rest });
  const found = factors([step(1, 0.2), step(0.5, 0.8), step(2, 0.1)]);
  expect(found.products).toBeCloseTo(1.2, 6);
  expect(found.rest).toBeCloseTo(2, 6);
  const alike = factors([
    { products: 1, rest: 1, measured: 3 },
    { products: 2, rest: 2, measured: 6 },
  ]);
  expect(alike).toEqual({ products: 1.5, rest: 1.5 });
});

it("plans for a named backend with constants of its own before it was measured", async () => {
  const machine = await thisMachine();
  expect(machine("tensorflow")).toMatchObject({ backend: "tensorflow", calibrated: false });
  expect(machine("wasm")).toMatchObject({ backend: "wasm", cores: availableParallelism(), calibrated: false });
});
