import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { allCodes } from "../../src/diagnostics/index.js";
import { checkText } from "./helpers.js";

/** Codes of the checker; other stages test their own pages. */
const codes = Object.keys(allCodes).filter((code) => /^LLMP[123]/.test(code));
const page = (code: string) => new URL(`../../docs/errors/${code}.md`, import.meta.url);

/** `# llmp check main.llmp --set gpus=8` in an example's first line is how it is called. */
function examples(code: string): { readonly text: string; readonly set: Record<string, string> }[] {
  const text = readFileSync(page(code), "utf8");
  return [...text.matchAll(/```llmp\n([\s\S]*?)```/g)].map(([, body = ""]) => {
    const command = body.startsWith("#") ? (body.split("\n")[0] ?? "") : "";
    const set = [...command.matchAll(/--set (\S+?)=(\S+)/g)].map(([, name = "", value = ""]) => [name, value]);
    return { text: body, set: Object.fromEntries(set) as Record<string, string> };
  });
}

test("there are pages for all codes of the checker", () => {
  expect(codes.length).toBeGreaterThan(60);
  expect(codes.filter((code) => !existsSync(page(code)))).toEqual([]);
});

test.each(codes)("%s: its wrong example yields it, its right one nothing", (code) => {
  const [wrong, right] = examples(code);
  if (wrong === undefined || right === undefined) throw new Error("two examples are due");
  expect(checkText(wrong.text, { set: wrong.set }).diagnostics.map((d) => d.code)).toContain(code);
  expect(checkText(right.text, { set: right.set }).diagnostics).toEqual([]);
});

test.each(codes)("%s: its message is one short line", (code) => {
  expect(allCodes[code]?.message.length).toBeLessThanOrEqual(100);
  expect(allCodes[code]?.title.length).toBeLessThanOrEqual(60);
});
