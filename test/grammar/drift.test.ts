import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

it("grammar/ is what `npm run gen` makes", () => {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/gen.mjs", "--check"], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
});
