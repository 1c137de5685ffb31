/** `llmp import` as a command. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { command as checkCommand } from "../../src/cli/commands/check.js";
import { command as fmtCommand } from "../../src/cli/commands/fmt.js";
import { command } from "../../src/cli/commands/import.js";
import { call } from "./streams.js";

vi.mock("node:fs", async (original) =>
  (await import("./streams.js")).capture(await original<typeof import("node:fs")>()),
);

const fixtures = join(import.meta.dirname, "../weights/fixtures");
const imports = (...args: string[]) => call(command(), ...args);

describe("llmp import", () => {
  test("a folder with weights: the file checks, and finds them from where it lies", async () => {
    const folder = mkdtempSync(join(tmpdir(), "llmp-import-"));
    const to = join(folder, "mine.llmp");
    const made = await imports(join(fixtures, "qwen2"), "-o", to);
    expect(made).toMatchObject({ code: 0, out: "" });
    expect(readFileSync(to, "utf8")).toMatch(/model qwen2 \{[\s\S]*weights += ".*fixtures\/qwen2"/);
    expect(await call(checkCommand(), to)).toMatchObject({ code: 0 });
    expect(await call(fmtCommand(), "--check", to)).toMatchObject({ code: 0 });
  });

  test("what is not carried over is said on stderr, once each, and in --json", async () => {
    const folder = join(mkdtempSync(join(tmpdir(), "llmp-import-")), "Big-Model-7B");
    mkdirSync(folder);
    const config = {
      model_type: "llama",
      rope_scaling: { type: "dynamic", factor: 2 },
      attn_gate: "head",
      head_dim: 64,
    };
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    const made = await imports(folder, "--json");
    const { text, warnings } = JSON.parse(made.out) as { text: string; warnings: string[] };
    expect(warnings).toEqual([
      "not carried over: rope scaling `dynamic` (positions stay as they are up to the context)",
      'not carried over: attn_gate = "head"',
    ]);
    expect(made.err.match(/LLMP7003\]/g)).toHaveLength(2);
    expect(text).toMatch(/model big_model_7b \{[\s\S]*head_dim += 64/);
  });

  const faulty: [string, unknown, RegExp][] = [
    ["an unknown family", { model_type: "qwen3_next" }, /LLMP7002.*qwen3_next[\s\S]*nearest known type is `qwen3/],
    ["no configuration", { a: 1 }, /LLMP7001.*no `model_type`/],
    ["a list", [1], /LLMP7001.*no JSON object/],
    ["a size that is none", { model_type: "llama", hidden_size: "big" }, /LLMP7004.*`hidden_size` is "big"/],
    ["heads that do not divide", { model_type: "llama", num_attention_heads: 7 }, /LLMP3025/],
    ["an activation that is not known", { model_type: "llama", hidden_act: "tanhexp" }, /LLMP7004.*`hidden_act`/],
  ];
  test.each(faulty)("%s: a diagnostic and exit code 1", async (_, json, message) => {
    const folder = mkdtempSync(join(tmpdir(), "llmp-import-"));
    writeFileSync(join(folder, "config.json"), JSON.stringify(json));
    const made = await imports(folder);
    expect(made).toMatchObject({ code: 1, out: "" });
    expect(made.err).toMatch(message);
  });

  test("no such file is wrong usage; a folder without config.json and text that is not JSON are diagnostics", async () => {
    expect(await imports("nowhere")).toMatchObject({ code: 2 });
    const folder = mkdtempSync(join(tmpdir(), "llmp-import-"));
    expect((await imports(folder)).err).toMatch(/LLMP7001.*no config.json/);
    writeFileSync(join(folder, "config.json"), "{");
    expect((await imports(folder)).err).toMatch(/LLMP7001.*config.json: /);
  });
});
