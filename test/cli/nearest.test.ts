import { expect, it } from "vitest";
import { nearest } from "../../src/diagnostics/index.js";

it("takes two letters the wrong way round for one slip", () => {
  expect(nearest("chekc", ["check", "show", "schema"])).toBe("check");
  expect(nearest("zzz", ["check", "show"])).toBeUndefined();
});
