import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { check } from "../../src/checker/index.js";
import { templates } from "../../src/cli/templates.js";
import { format, parse } from "../../src/parser/index.js";

it.each(templates)(
  "init --template $name checks once its data is there, and keeps its meaning when laid out",
  ({ text }) => {
    const file = { path: "main.llmp", text };
    const { value, diagnostics } = parse(file);
    const host = {
      read: (p: string) => (p.startsWith("std/") ? readFileSync(p, "utf8") : p === "main.llmp" ? text : undefined),
    };
    const all = [...diagnostics, ...check(value, host).diagnostics];
    expect(all.filter((d) => d.severity === "error")).toEqual([]);
    const printed = format(file, value);
    expect(parse({ path: "main.llmp", text: printed }).diagnostics).toEqual([]);
    expect(format({ path: "main.llmp", text: printed }, parse({ path: "main.llmp", text: printed }).value)).toBe(
      printed,
    );
  },
);
