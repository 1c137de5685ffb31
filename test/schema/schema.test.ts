import { expect, test } from "vitest";
import { parse } from "../../src/parser/index.js";
import { blockByKeyword, blocks, fieldByName } from "../../src/schema/index.js";
import type { FieldSpec, FieldType } from "../../src/units/index.js";
import { checkText } from "../checker/helpers.js";

/** Codes that say that a key or value is not what the table says; names of other blocks are not declared here. */
const wrong = /^LLMP(0|1002|1003|1006|2(?!010))/;

/** Rows of a table and of every table inside it, each with the text that puts a key there. */
function rows(
  fields: readonly FieldSpec[],
  wrap: (inner: string) => string,
): { readonly field: FieldSpec; readonly text: string }[] {
  return fields.flatMap((field) => [
    { field, text: wrap(`${field.name} = ${field.example}`) },
    ...inside(field.type, (inner) => wrap(`${field.name} = ${inner}`)),
  ]);
}

function inside(type: FieldType, wrap: (inner: string) => string): ReturnType<typeof rows> {
  if (type.kind === "record") return rows(type.fields, (inner) => wrap(`{ ${inner} }`));
  if (type.kind === "variant")
    return type.variants.flatMap((v) => rows(v.fields, (inner) => wrap(`${v.name} { ${inner} }`)));
  if (type.kind === "oneOf") return type.types.flatMap((t) => inside(t, wrap));
  return [];
}

test("keywords and keys are unique and spelt in one way", () => {
  expect(new Set(blocks.map((b) => b.keyword)).size).toBe(blocks.length);
  for (const block of blocks) {
    expect(blockByKeyword(block.keyword)).toBe(block);
    expect(new Set(block.fields.map((f) => f.name)).size).toBe(block.fields.length);
    for (const field of block.fields) {
      expect(field.name).toMatch(/^[a-z][a-z0-9_]*$/);
      expect(fieldByName(block.fields, field.name)).toBe(field);
      expect(field.doc, field.name).not.toMatch(/^[A-Z][a-z]+ .*\.$/);
    }
  }
});

for (const block of blocks) {
  test(`${block.keyword}: its example is a block of that kind`, () => {
    const { value, diagnostics } = parse({ path: "main.llmp", text: `${block.example}\n` });
    expect(diagnostics).toEqual([]);
    expect(value?.items).toHaveLength(1);
    expect(value?.items[0]).toMatchObject({ kind: "block", keyword: { text: block.keyword } });
    const found = checkText(`${block.example}\n`).diagnostics.filter((d) => wrong.test(d.code));
    expect(found).toEqual([]);
  });

  test(`${block.keyword}: the example of every key is one that it takes`, () => {
    const name = block.named ? " x" : "";
    const all = rows(block.fields, (inner) => {
      const text = block.limits?.some((key) => inner.startsWith(`${key} =`)) === true ? inner.replace("=", "<") : inner;
      return `${block.keyword}${name} { ${text} }\n`;
    });
    expect(all.length).toBeGreaterThan(0);
    for (const { text } of all) {
      const found = checkText(text).diagnostics.filter((d) => wrong.test(d.code));
      expect(
        found.map((d) => d.message),
        text,
      ).toEqual([]);
    }
  });

  test(`${block.keyword}: every default has the type of its key`, () => {
    const name = block.named ? " x" : "";
    // A default that is wrong would be reported without a place when the block is read.
    const found = checkText(`${block.keyword}${name} { }\n`).diagnostics.filter((d) => wrong.test(d.code));
    expect(found).toEqual([]);
  });
}
