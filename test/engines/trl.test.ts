/** The emitted TRL folders train for real, on this machine's processors, through the same code as `llmp run`. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runEngine } from "../../src/cli/engine/run.js";
import type { Plan } from "../../src/planner/plan.js";
import type { RunEvent, RunSummary, StepMetrics } from "../../src/runtime/types.js";
import { toys } from "../emit/fixtures/local.js";
import { writeToys } from "./toys.js";
import { enginePackages, missing, venv } from "./venv.js";

const trl = await venv("engines", enginePackages);
const root = mkdtempSync(join(tmpdir(), "llmp-trl-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

if (missing(trl)) console.warn(`TRL is not tested: ${trl.reason}`);
const python = missing(trl) ? "" : trl.python;

async function run(
  plan: Plan,
  name: string,
  options: { readonly resume?: boolean } = {},
): Promise<{
  readonly steps: readonly StepMetrics[];
  readonly events: readonly RunEvent[];
  readonly summary?: RunSummary;
}> {
  const events: RunEvent[] = [];
  for await (const event of runEngine(plan, { root, folder: join(root, "runs", name), python, ...options }))
    events.push(event);
  const done = events.find((e) => e.kind === "done");
  return {
    events,
    steps: events.flatMap((e) => (e.kind === "step" ? [e.metrics] : [])),
    ...(done?.kind === "done" ? { summary: done.summary } : {}),
  };
}

const toy = (name: string): Plan => (toys[name] as () => Plan)();

describe.skipIf(missing(trl))(`TRL${missing(trl) ? ` (${trl.reason})` : ""}`, { timeout: 120_000 }, () => {
  let first: Awaited<ReturnType<typeof run>>;
  beforeAll(async () => {
    process.env.HF_HUB_OFFLINE = "1";
    writeToys(root);
    first = await run(toy("pretrain"), "pretrain");
    const final = join(root, "runs", "pretrain", "toy", "final");
    for (const name of ["model", "teacher"]) cpSync(final, join(root, name), { recursive: true });
  }, 120_000);

  it("pre-trains: the loss falls, and planned and measured stand side by side", () => {
    expect(first.steps.map((s) => s.step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(first.steps.at(-1)?.loss).toBeLessThan((first.steps[0]?.loss ?? 0) - 0.5);
    // The planned schedule to the digit: two steps of warm-up to 3e-3, then a cosine to 3e-4.
    const rates = [0.5, 1, ...[0, 1, 2, 3, 4, 5].map((i) => 0.1 + 0.9 * 0.5 * (1 + Math.cos((Math.PI * i) / 6)))];
    for (const [i, s] of first.steps.entries()) expect(s.lr).toBeCloseTo(3e-3 * (rates[i] ?? 0), 10);
    const [stage] = first.summary?.stages ?? [];
    expect(stage?.predicted.step_seconds).toBe(0.5);
    expect(stage?.measured.step_seconds).toBeGreaterThan(0);
    // What the process grew by, not what Python and torch hold without a model.
    expect(stage?.measured.peak_bytes).toBeGreaterThan(1e6);
    expect(stage?.measured.peak_bytes).toBeLessThan(4e8);
    const folder = join(root, "runs", "pretrain");
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(["plan.json", "summary.json", "toy"]));
    expect(existsSync(join(folder, "toy", "final", "model.safetensors"))).toBe(true);
  });

  it("gives the same losses on two processes with FSDP2", async () => {
    const { steps } = await run(toy("fsdp2 on two"), "fsdp2");
    expect(steps.length).toBe(first.steps.length);
    for (const [i, s] of steps.entries()) expect(s.loss).toBeCloseTo(first.steps[i]?.loss ?? 0, 4);
  });

  it.each(["sft", "lora", "dpo", "distill"])("%s trains from a saved model: the loss falls", async (name) => {
    const { steps } = await run(toy(name), name);
    expect(steps.length).toBe(8);
    expect(steps.at(-1)?.loss).toBeLessThan(steps[0]?.loss ?? 0);
    for (const s of steps) expect(Number.isFinite(s.loss) && s.step_seconds > 0).toBe(true);
  });

  it("GRPO samples groups and scores them with the planned rewards", async () => {
    const { steps } = await run(toy("grpo"), "grpo");
    expect(steps.length).toBe(3);
    expect(Object.keys(steps[0]?.extra ?? {}).join(" ")).toMatch(/rewards\/exact/);
    expect(Object.keys(steps[0]?.extra ?? {}).join(" ")).toMatch(/rewards\/shaped/);
  });

  it("goes on from the last checkpoint that was saved to its end", async () => {
    const cut = join(root, "runs", "sft", "toy", "checkpoints", "checkpoint-12");
    mkdirSync(cut);
    writeFileSync(join(cut, "trainer_state.json"), '{"global_step": 12, "log_his');
    const { steps } = await run(toy("sft"), "sft", { resume: true });
    expect(steps).toEqual([]);
    expect(existsSync(join(root, "runs", "sft", "toy", "checkpoints", "checkpoint-8"))).toBe(true);
  });

  it("a stop saves the step, and the run goes on after it", async () => {
    const stop = new AbortController();
    const folder = join(root, "runs", "stopped");
    const plan = toy("sft");
    const seen: number[] = [];
    for await (const event of runEngine(plan, { root, folder, python, stop: stop.signal }))
      if (event.kind === "step") {
        seen.push(event.metrics.step);
        stop.abort();
      }
    expect(seen.length).toBeLessThan(8);
    expect(JSON.parse(readFileSync(join(folder, "run.json"), "utf8"))).toMatchObject({ status: "stopped" });
    const { steps } = await run(plan, "stopped", { resume: true });
    // Not the planned saves every four steps: the step of the stop.
    expect([...seen, ...steps.map((s) => s.step)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(existsSync(join(folder, "toy", "final", "model.safetensors"))).toBe(true);
  });

  it("says what is missing, before the engine starts", async () => {
    const lost = { ...toy("pretrain") };
    await expect(
      run(JSON.parse(JSON.stringify(lost).split("data/text/").join("data/nowhere/")) as Plan, "lost"),
    ).rejects.toThrow(/LLMP6103/);
    const broken = JSON.parse(
      JSON.stringify(toy("sft")).split('"prompt":{"value":"prompt"').join('"prompt":{"value":"question"'),
    ) as Plan;
    await expect(run(broken, "broken")).rejects.toThrow(/LLMP6107/);
  });
});
