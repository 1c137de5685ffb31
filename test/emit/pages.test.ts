import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { emitCodes } from "../../src/diagnostics/index.js";

it.each(Object.entries(emitCodes.codes))("%s has a page under its title", (code, { title }) => {
  const page = new URL(`../../docs/errors/${code}.md`, import.meta.url);
  expect(existsSync(page)).toBe(true);
  expect(readFileSync(page, "utf8").startsWith(`# ${code}: ${title}\n`)).toBe(true);
});
