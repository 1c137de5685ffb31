/** `llmp/core` in a browser: bundled without Node's modules, run where there is no `process`, with the command line's answer. */
import { readFileSync } from "node:fs";
import { createContext, Script } from "node:vm";
import { build } from "esbuild";
import { expect, it } from "vitest";
import { llmp } from "../cli/llmp.js";

it("text to plan runs without Node, to the same plan", async () => {
  const { outputFiles } = await build({
    entryPoints: ["src/core.ts"],
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
    globalName: "llmp",
    logLevel: "silent",
  });
  const file = "examples/medical-mix.llmp";
  const context = createContext({
    performance: { now: () => performance.now() },
    TextEncoder,
    TextDecoder,
    texts: { [file]: readFileSync(file, "utf8"), "std/llama3.llmp": readFileSync("std/llama3.llmp", "utf8") },
  });
  new Script(outputFiles[0]?.text ?? "").runInContext(context);
  const answer = new Script(`
    const tree = llmp.parse({ path: ${JSON.stringify(file)}, text: texts[${JSON.stringify(file)}] });
    const { value } = llmp.check(tree.value, { read: (at) => texts[at] });
    JSON.stringify(llmp.plan(value, llmp.bundledHardware()).value);
  `).runInContext(context) as string;
  const here = JSON.parse(answer) as { hash: string; stages: unknown[] };
  const there = JSON.parse((await llmp(["plan", file, "--json"])).stdout) as typeof here;
  expect(here.hash).toBe(there.hash);
  expect(here.stages).toHaveLength(there.stages.length);
});
