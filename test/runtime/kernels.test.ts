import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
// @ts-expect-error a script without types
import { compileKernels } from "../../scripts/kernels.mjs";

// What they compute: backends.test.ts.
it("the compiled kernels are those of kernels/", async () => {
  expect(await compileKernels()).toBe(readFileSync("src/runtime/kernels/module.ts", "utf8"));
}, 60_000);
