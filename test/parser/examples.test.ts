import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "../../src/parser/index.js";

const files = ["examples", "std"].flatMap((d) =>
  readdirSync(d)
    .filter((f) => f.endsWith(".llmp"))
    .map((f) => `${d}/${f}`),
);

describe("shipped files parse without a message", () => {
  it.each(files)("%s", (path) => {
    const { value, diagnostics } = parse({ path, text: readFileSync(path, "utf8") });
    expect(diagnostics).toEqual([]);
    expect(value.items.length).toBeGreaterThan(0);
  });
});
