/** Workers on TensorFlow: each with a copy of the addon, the plain program's course, and one that dies. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { check } from "../../src/checker/index.js";
import { nodeHost } from "../../src/cli/host.js";
import { bundledHardware } from "../../src/hardware/index.js";
import { buildModel } from "../../src/model/index.js";
import { parse } from "../../src/parser/index.js";
import { plan as makePlan, uncalibrated } from "../../src/planner/index.js";
import { findBinding } from "../../src/runtime/backend/index.js";
import { readMetrics } from "../../src/runtime/metrics/index.js";
import { Pool } from "../../src/runtime/parallel/index.js";
import { differenceOf, plainCourse, teamCourse } from "../../src/runtime/parallel/rehearsal/index.js";
import { runPlan } from "../../src/runtime/train/index.js";
import type { RunEvent } from "../../src/runtime/types.js";
import { alone, buildWorker, type Case, graphOf, jobOf, lessonOf, named } from "./helpers.js";

// Where test/runtime/native.test.ts installs it.
process.env.LLMP_CACHE = path.join(homedir(), ".cache", "llmp-test");
const binding = findBinding("tensorflow");
if (binding === undefined) console.warn("workers on TensorFlow are not tested: it is not installed");

const root = mkdtempSync(path.join(tmpdir(), "llmp-native-"));
const worker = buildWorker();
const failing = buildWorker("failing-worker.ts");
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
  worker.remove();
  failing.remove();
});

const text = `
tokenizer letters { kind = bytes }
dataset corpus { source = "corpus.txt", format = text }
cluster here { provider = local, backend = tensorflow }
model small { architecture = llama, layers = 2, hidden = 32, heads = 4, kv_heads = 2, ffn = 64, vocab = 320, context_length = 32 }
train base {
  objective = pretrain, model = small, data = corpus, on = here, steps = 8, batch = 4 sequences, save = every 2 steps
  precision = fp32, seed = 3, optimizer = adamw { lr = 1e-3 }
  parallel = { data = 2 }
}
`;

async function run(
  name: string,
  workerFile: string,
): Promise<{ losses: number[]; events: RunEvent[]; peak: number[] }> {
  const { value: ast } = parse({ path: path.join(root, "main.llmp"), text });
  const { value: pipeline } = check(ast, nodeHost(), {});
  const { value: plan } = makePlan(pipeline!, bundledHardware(), { local: uncalibrated("tensorflow", 2, 2 ** 34) });
  expect(plan!.stages[0]!.cluster.accelerator).toBe("tensorflow");
  const folder = path.join(root, name);
  const events: RunEvent[] = [];
  for await (const event of runPlan(plan!, { root, folder, workerFile }, { buildModel })) events.push(event);
  const metrics = readMetrics(path.join(folder, "base/metrics.jsonl"));
  const peak = [plan!.stages[0]!.memory.peak_bytes, Math.max(...metrics.map((m) => m.peak_bytes))];
  return { losses: metrics.map((m) => m.loss), events, peak };
}

describe.skipIf(binding === undefined)("workers on TensorFlow", () => {
  const graph = graphOf(
    "architecture = llama, layers = 2, hidden = 32, heads = 4, kv_heads = 2, ffn = 48, vocab = 67, context_length = 16",
  );
  const cases: Readonly<Record<string, Partial<Case>>> = {
    "data 2, ZeRO-3": { parallel: { ...alone, data: 2, shard: "zero3", shard_group: 2, accumulation: 2 } },
    "tensor 2 with sequence": { parallel: { ...alone, tensor: 2, sequence: true, micro_batch: 2 } },
    "GRPO, pipeline 2": {
      objective: named("grpo", { groupSize: 2, kl: 0, maxCompletion: 8 }),
      parallel: { ...alone, pipeline: 2, accumulation: 2 },
    },
  };

  it("compute what TensorFlow computes alone, and leave no copy of the addon", async () => {
    const pool = await Pool.start(2, { file: worker.file, backend: "tensorflow" });
    try {
      for (const [name, more] of Object.entries(cases)) {
        const c = { graph, length: 16, ...more } as Case;
        const lesson = lessonOf(c);
        const d = differenceOf(await plainCourse(lesson, "tensorflow"), await teamCourse(lesson, jobOf(c), pool));
        expect(d.loss, name).toBeLessThan(1e-5);
        expect(d.weights, name).toBeLessThan(1e-5);
      }
    } finally {
      await pool.end();
    }
    expect(readdirSync(path.dirname(binding!)).filter((f) => f.endsWith(".node"))).toHaveLength(1);
  });

  it("are planned and run where the cluster names it; one that dies starts again from the last checkpoint", async () => {
    writeFileSync(
      path.join(root, "corpus.txt"),
      "Full fathom five thy father lies; of his bones are coral made. ".repeat(60),
    );
    const whole = await run("whole", worker.file);
    expect(whole.losses).toHaveLength(8);
    expect(whole.losses[7]).toBeLessThan(whole.losses[0]!);
    expect(whole.events.find((e) => e.kind === "stage")).toMatchObject({ backend: "tensorflow" });
    const marker = path.join(root, "kill");
    writeFileSync(marker, "");
    process.env.LLMP_TEST_KILL = marker;
    const broken = await run("broken", failing.file);
    expect(existsSync(marker)).toBe(false);
    expect(broken.events.flatMap((e) => (e.kind === "message" ? [e.text] : []))).toEqual([
      expect.stringContaining("LLMP6006"),
    ]);
    expect(broken.losses).toEqual(whole.losses);
  });
});
