/**
 * From the same weights and the same rows, another engine's loss curve is our runtime's: each file is planned twice, once
 * for `llmp` and once for the engine, and run through the same code as `llmp run`.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runEngine } from "../../src/cli/engine/run.js";
import { run } from "../../src/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { planOf } from "../emit/fixtures/examples.js";
import { writeToys } from "./toys.js";
import { enginePackages, missing, torchtitan, type Venv, venv } from "./venv.js";

const trl = await venv("engines", enginePackages);
if (missing(trl)) console.warn(`losses are not compared: ${trl.reason}`);
const python = missing(trl) ? "" : trl.python;
const root = mkdtempSync(join(tmpdir(), "llmp-loss-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const common = `
tokenizer letters { kind = bytes }
dataset text  { source = "data/text/text.jsonl", field = "text" }
dataset more  { source = "data/more/*.jsonl", field = "body", holdout = 10% }
dataset chat  { source = "data/chat/chat.jsonl", format = jsonl, prompt = "prompt", completion = "completion" }
dataset pairs { source = "data/pairs/pairs.jsonl", format = preference }
mix both {
  text = 60%
  more = 40%
  from 50% { text = 20%, more = 80% }
}
model tiny {
  architecture    = llama
  layers          = 2
  hidden          = 64
  heads           = 4
  kv_heads        = 2
  ffn             = 192
  vocab           = 320
  context_length  = 64
  tied_embeddings = TIED
WEIGHTS
}
`;

const text = (tied: boolean, weights: string): string =>
  common.replace("TIED", String(tied)).replace("WEIGHTS", weights === "" ? "" : `  weights = "${weights}"`);

const stage = (
  body: string,
  engine: string,
): string => `${text(tiedIn(engine), `${initOf(tiedIn(engine))}/first/final`)}
train go {
  model     = tiny
  steps     = 20
  batch     = 8 sequences
  precision = fp32
  optimizer = adamw { lr = 3e-3, weight_decay = 0.1, schedule = cosine { warmup = 5 steps } }
  engine    = ${engine}
${body}
}
`;

/** torchtitan's Llama has a head of its own. */
const tiedIn = (engine: string): boolean => engine !== "torchtitan";
const initOf = (tied: boolean): string => (tied ? "init-tied" : "init-untied");

const bodies: Readonly<Record<string, string>> = {
  "pre-training on a mix that changes": "  objective = pretrain\n  data = both",
  "pre-training with documents kept apart": "  objective = pretrain\n  data = both\n  packing = true",
  "fine-tuning on completions": "  objective = sft\n  data = chat",
  "fine-tuning on packed completions": "  objective = sft\n  data = chat\n  packing = true",
  DPO: "  objective = dpo { beta = 0.1 }\n  data = pairs",
};

async function losses(plan: Plan, name: string, engine: boolean): Promise<number[]> {
  const folder = join(root, name);
  const events = engine ? runEngine(plan, { root, folder, python }) : run(plan, { root, folder });
  const found: number[] = [];
  for await (const event of events) if (event.kind === "step") found.push(event.metrics.loss);
  return found;
}

describe.skipIf(missing(trl))(
  `other engines learn as our runtime does${missing(trl) ? ` (${trl.reason})` : ""}`,
  () => {
    beforeAll(async () => {
      process.env.HF_HUB_OFFLINE = "1";
      writeToys(root);
      mkdirSync(join(root, "data", "more"), { recursive: true });
      for (const [i, name] of ["a", "b"].entries())
        writeFileSync(
          join(root, "data", "more", `${name}.jsonl`),
          Array.from(
            { length: 80 },
            (_, j) => `${JSON.stringify({ body: `number ${i} and ${j} make ${i + j}. `.repeat(3) })}\n`,
          ).join(""),
        );
      // One step of almost no length: initial weights as a folder of safetensors.
      const first = (tied: boolean): string => `${text(tied, "")}
train first {
  objective = pretrain
  model     = tiny
  data      = text
  steps     = 1
  batch     = 1 sequences
  precision = fp32
  optimizer = adamw { lr = 1e-6, weight_decay = 0, schedule = constant }
}
`;
      for (const tied of [true, false])
        await losses(planOf(join(root, "first.llmp"), first(tied)), initOf(tied), false);
    });

    async function compare(name: string, body: string, engine: string): Promise<void> {
      const folder = name.replace(/\W/g, "-");
      const reference = stage(body, engine).replace(/engine *= \w+/, "engine = llmp");
      const ours = await losses(planOf(join(root, "ours.llmp"), reference), `${folder}-ours`, false);
      const theirs = await losses(planOf(join(root, "theirs.llmp"), stage(body, engine)), `${folder}-${engine}`, true);
      expect(ours.length).toBe(20);
      expect(theirs.length).toBe(20);
      // Something was learned, and in the same way.
      expect(Math.min(...ours)).toBeLessThan((ours[0] as number) - 0.01);
      const off = Math.max(...ours.map((loss, i) => Math.abs(loss - (theirs[i] as number))));
      console.log(`${engine}, ${name}: losses differ by at most ${off.toExponential(1)} over 20 steps`);
      expect(off).toBeLessThan(1e-3);
    }

    it.each(Object.keys(bodies))("%s", async (name) => {
      await compare(name, bodies[name] as string, "trl");
    });

    it("torchtitan: pre-training on a mix that changes", async () => {
      const before = process.env.PYTHONPATH;
      process.env.PYTHONPATH = await torchtitan(trl as Venv, "0.2.2");
      await compare("pre-training", "  objective = pretrain\n  data = both\n  packing = false", "torchtitan");
      if (before === undefined) delete process.env.PYTHONPATH;
      else process.env.PYTHONPATH = before;
    });
  },
);
