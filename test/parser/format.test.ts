import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Ast, format, parse } from "../../src/parser/index.js";
import { fileText } from "./arbitrary.js";

const files = ["examples", "std"].flatMap((d) =>
  readdirSync(d)
    .filter((f) => f.endsWith(".llmp"))
    .map((f) => `${d}/${f}`),
);
const print = (text: string): string => {
  const file = { path: "a.llmp", text };
  return format(file, parse(file).value);
};
/** The tree without places and comments. */
const bare = (ast: Ast): unknown =>
  JSON.parse(JSON.stringify(ast.items, (key, value) => (key === "span" ? undefined : (value as unknown))));
const tree = (text: string): unknown => bare(parse({ path: "a.llmp", text }).value);
const comments = (text: string): string[] =>
  parse({ path: "a.llmp", text })
    .value.comments.map((c) => c.text)
    .sort();

describe("format", () => {
  it.each(files)("%s keeps its meaning and comments, and is stable", (path) => {
    const text = readFileSync(path, "utf8");
    const once = print(text);
    expect(tree(once)).toEqual(tree(text));
    expect(comments(once)).toEqual(comments(text));
    expect(print(once)).toBe(once);
  });

  it("aligns runs, and breaks them at blank lines and tall bodies", () => {
    const text = `model   a:b{layers=1,context_length=8Ki}
train t from s {
objective=pretrain # what
  context_length   = 8Ki   # how long
optimizer = adamw {
lr=3e-4
weight_decay=0.1
}

on=p5
}
budget{cost<$50_000,time<=7 days}`;
    expect(print(text)).toMatchInlineSnapshot(`
      "model a: b { layers = 1, context_length = 8Ki }

      train t from s {
        objective      = pretrain  # what
        context_length = 8Ki       # how long
        optimizer      = adamw {
          lr           = 3e-4
          weight_decay = 0.1
        }

        on = p5
      }

      budget { cost < $50_000, time <= 7 days }
      "
    `);
  });

  it("parse ∘ print ∘ parse = parse, twice is once, and no comment is lost", () => {
    fc.assert(
      fc.property(fileText, (text) => {
        const first = parse({ path: "a.llmp", text });
        expect(first.diagnostics).toEqual([]);
        const once = print(text);
        expect(parse({ path: "a.llmp", text: once }).diagnostics).toEqual([]);
        expect(tree(once)).toEqual(tree(text));
        expect(comments(once)).toEqual(comments(text));
        expect(print(once)).toBe(once);
      }),
      { numRuns: 1500 },
    );
  });
});
