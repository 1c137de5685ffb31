import { expect, it } from "vitest";
import { formatDeviation } from "../../src/units/index.js";

it("a plan above what was measured is off by plus", () => {
  expect(formatDeviation(417, 403)).toBe("+3.5%");
  expect(formatDeviation(403, 417)).toBe("-3.4%");
  expect(formatDeviation(84, 84)).toBe("0%");
  expect(formatDeviation(84, 0)).toBe("");
});
