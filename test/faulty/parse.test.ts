import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { parseCodes } from "../../src/diagnostics/index.js";
import { parse } from "../../src/parser/index.js";
import { LineMap } from "../../src/text/index.js";

/** Beside each faulty file: what is said about it, and where. `LLMP_UPDATE=1` rewrites them, to be read in review. */
interface Expected {
  readonly code: string;
  readonly line: number;
  readonly column: number;
  readonly hint: string;
}

const folder = new URL("./parse/", import.meta.url);
const names = readdirSync(folder).flatMap((f) => (f.endsWith(".llmp") ? [f.slice(0, -5)] : []));
const say = (text: string): Expected[] => {
  const lines = new LineMap(text);
  return parse({ path: "main.llmp", text }).diagnostics.map((d) => {
    const { line, column } = lines.position(d.primary?.span.start ?? -1);
    return { code: d.code, line, column, hint: d.hints[0] ?? "" };
  });
};

describe("faulty files", () => {
  test.each(names)("%s", (name) => {
    const found = say(readFileSync(new URL(`${name}.llmp`, folder), "utf8"));
    const beside = new URL(`${name}.expected.json`, folder);
    if (process.env.LLMP_UPDATE !== undefined) writeFileSync(beside, `${JSON.stringify(found, undefined, 2)}\n`);
    expect(found).toEqual(JSON.parse(readFileSync(beside, "utf8")));
    expect(found.length).toBeGreaterThan(0);
    for (const { hint } of found) expect(hint).not.toBe("");
  });
});

describe("limits", () => {
  const codes = (text: string): string[] => [...new Set(say(text).map((d) => d.code))];
  it("names the codes that no small file has", () => {
    expect(codes("x".repeat(17 * 2 ** 20))).toEqual(["LLMP0001"]);
    expect(codes("PK\u0003\u0004\u0000\u0000")).toEqual(["LLMP0002"]);
    expect(codes("@\n".repeat(5000))).toContain("LLMP0003");
    expect(codes(`let a = ${"(".repeat(100)}1${")".repeat(100)}`)).toContain("LLMP0004");
    expect(codes(`let a = 1${"+1".repeat(1000)}`)).toEqual(["LLMP0005"]);
  });
});

describe("pages", () => {
  const made = new Set(["LLMP0001", "LLMP0002", "LLMP0003", "LLMP0004", "LLMP0005"]);
  for (const name of names)
    for (const d of say(readFileSync(new URL(`${name}.llmp`, folder), "utf8"))) made.add(d.code);
  it.each(Object.keys(parseCodes.codes))("%s has a page whose examples hold, and a file that triggers it", (code) => {
    const page = readFileSync(new URL(`../../docs/errors/${code}.md`, import.meta.url), "utf8");
    const example = (title: string) => new RegExp(`${title}:\\n\\n\`\`\`llmp\\n([\\s\\S]*?)\n\`\`\``).exec(page)?.[1];
    const wrong = example("Wrong");
    if (wrong !== undefined) expect(say(wrong).map((d) => d.code)).toContain(code);
    expect(say(example("Right") as string)).toEqual([]);
    expect(made).toContain(code);
  });
});
