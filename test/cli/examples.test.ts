/** Every example for this machine runs: some steps of each of its stages, with the memory that was planned. */
import { cpSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { folder, llmp } from "./llmp.js";

const examples = readdirSync("examples").filter((f) => f === "shakespeare.llmp" || /^local-.*\.llmp$/.test(f));

interface Summary {
  readonly stages: readonly {
    readonly name: string;
    readonly first_loss: number;
    readonly final_loss: number;
    readonly predicted: { readonly peak_bytes: number };
    readonly measured: { readonly peak_bytes: number };
  }[];
}

it.each(examples)("%s", { timeout: 180_000 }, async (file) => {
  const cwd = folder();
  cpSync("examples/data", path.join(cwd, "data"), { recursive: true });
  cpSync(path.join("examples", file), path.join(cwd, file));
  const { code, stderr } = await llmp(["run", file, "--backend", "wasm", "--steps", "4"], { cwd });
  expect(code === 0 ? "" : stderr).toBe("");
  const name = file.replace(".llmp", "");
  const { stages } = JSON.parse(readFileSync(path.join(cwd, "runs", name, "summary.json"), "utf8")) as Summary;
  expect(stages.length).toBeGreaterThan(0);
  for (const stage of stages) {
    expect(Number.isFinite(stage.final_loss)).toBe(true);
    expect(Math.abs(stage.measured.peak_bytes / stage.predicted.peak_bytes - 1), stage.name).toBeLessThan(0.02);
  }
});
