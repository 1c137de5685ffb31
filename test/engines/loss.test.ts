/**
 * From the same weights and the same rows, another engine's loss curve is our runtime's: each file is planned twice, once
 * for `llmp` and once for the engine, and run through the same code as `llmp run`.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runEngine } from "../../src/cli/engine/run.js";
import { run } from "../../src/index.js";
import type { Plan } from "../../src/planner/plan.js";
import type { StepMetrics } from "../../src/runtime/types.js";
import { planOf } from "../emit/fixtures/examples.js";
import { writeToys } from "./toys.js";
import { enginePackages, missing, torchtitan, type Venv, venv } from "./venv.js";

/** What our runtime sampled, a step an entry: [prompt, completion] as ids. */
const rollOuts: (readonly [readonly number[], readonly number[]])[][] = [];
vi.mock("../../src/runtime/train/rollout.js", async (original) => {
  const real = await original<typeof import("../../src/runtime/train/rollout.js")>();
  const openRollOut: typeof real.openRollOut = (settings) => {
    const sample = real.openRollOut(settings);
    return async (...given) => {
      const made = await sample(...given);
      const { sequences, length, tokens, targets, weights } = made.batch;
      rollOuts.push(
        Array.from({ length: sequences }, (_, row) => {
          const [from, to] = [row * length, (row + 1) * length];
          const first = weights.subarray(from, to).indexOf(1);
          return [
            [...tokens.subarray(from, from + first + 1)],
            [...targets.subarray(from, to)].filter((_id, i) => weights[from + i] === 1),
          ] as const;
        }),
      );
      return made;
    };
  };
  return { ...real, openRollOut };
});

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
dataset sums  { source = "data/sums/sums.jsonl", format = prompts, prompt = "prompt", answer = "answer" }
adapter small { kind = lora, rank = 4, alpha = 8 }
adapter some  { kind = lora, rank = 2, alpha = 8, targets = [q_proj, down_proj] }
# Of random bytes some answers hold a digit: rewards differ within a group from the first step on. (No letter: our runtime
# shows rewards the names of special tokens that were sampled, TRL leaves them out.)
reward digit  { kind = regex, pattern = "[0-9]" }
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
model wise {
  architecture    = llama
  layers          = 3
  hidden          = 96
  heads           = 4
  ffn             = 192
  vocab           = 320
  context_length  = 64
  tied_embeddings = true
TEACHER
}
`;

const text = (tied: boolean, weights: string): string =>
  common
    .replace("TIED", String(tied))
    .replace("WEIGHTS", weights === "" ? "" : `  weights = "${weights}"`)
    .replace("TEACHER", weights === "" ? "" : `  weights = "init-teacher/first/final"`);

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
  "LoRA on all projections": "  objective = sft\n  data = chat\n  adapter = small",
  "LoRA on two projections, pre-training": "  objective = pretrain\n  data = both\n  adapter = some",
  "DPO of a LoRA": "  objective = dpo { beta = 0.1 }\n  data = pairs\n  adapter = small",
  "distillation, forward KL with hard labels":
    "  objective = distill { teacher = wise, temperature = 2, hard_labels = 30% }\n  data = both",
  "distillation, reverse KL": "  objective = distill { teacher = wise, divergence = reverse_kl }\n  data = both",
  "distillation, Jensen-Shannon": "  objective = distill { teacher = wise, divergence = js }\n  data = both",
};

async function steps(plan: Plan, name: string, engine: boolean): Promise<StepMetrics[]> {
  const folder = join(root, name);
  const events = engine ? runEngine(plan, { root, folder, python }) : run(plan, { root, folder });
  const found: StepMetrics[] = [];
  for await (const event of events) if (event.kind === "step") found.push(event.metrics);
  return found;
}

const lossesOf = (all: readonly StepMetrics[]): number[] => all.map((s) => s.loss);

/** TRL's experimental `rollout_func` takes the place of its sampling: Python loads this file at start. */
const replayPy = `"""Answers of the test's file instead of sampled ones."""
import json, os, sys

if "LLMP_ROLLOUTS" in os.environ and sys.orig_argv[-1].endswith("train.py"):
    import trl

    steps = json.load(open(os.environ["LLMP_ROLLOUTS"]))
    make = trl.GRPOTrainer.__init__

    def replay(prompts, trainer):
        rows = steps[trainer.state.global_step]
        said = [trainer.processing_class.decode(p) for p, _ in rows]
        assert said == prompts, (said, prompts)
        return {"prompt_ids": [p for p, _ in rows], "completion_ids": [c for _, c in rows], "logprobs": None}

    trl.GRPOTrainer.__init__ = lambda self, *a, **k: make(self, *a, rollout_func=replay, **k)
`;

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
      const first = (tied: boolean, model = "tiny"): string => `${text(tied, "")}
train first {
  objective = pretrain
  model     = ${model}
  data      = text
  steps     = 1
  batch     = 1 sequences
  precision = fp32
  optimizer = adamw { lr = 1e-6, weight_decay = 0, schedule = constant }
}
`;
      for (const tied of [true, false]) await steps(planOf(join(root, "first.llmp"), first(tied)), initOf(tied), false);
      await steps(planOf(join(root, "first.llmp"), first(true, "wise")), "init-teacher", false);
    });

    async function compare(name: string, body: string, engine: string): Promise<void> {
      const folder = name.replace(/\W/g, "-");
      const reference = stage(body, engine).replace(/engine *= \w+/, "engine = llmp");
      const ours = lossesOf(await steps(planOf(join(root, "ours.llmp"), reference), `${folder}-ours`, false));
      const theirs = lossesOf(
        await steps(planOf(join(root, "theirs.llmp"), stage(body, engine)), `${folder}-${engine}`, true),
      );
      expect(ours.length).toBe(20);
      expect(theirs.length).toBe(20);
      // Something was learned, and in the same way.
      expect(Math.min(...ours)).toBeLessThan((ours[0] as number) * 0.99);
      const off = Math.max(...ours.map((loss, i) => Math.abs(loss - (theirs[i] as number))));
      console.log(`${engine}, ${name}: losses differ by at most ${off.toExponential(1)} over 20 steps`);
      expect(off).toBeLessThan(1e-3);
    }

    it.each(Object.keys(bodies))("%s", async (name) => {
      await compare(name, bodies[name] as string, "trl");
    });

    it("GRPO, from the same answers: advantages, losses and gradients", async () => {
      const body = `  objective = grpo { group_size = 4, kl = 0.04, max_completion = 8 tokens, reward = digit }\n  data = sums`;
      const file = stage(body, "trl").replace("batch     = 8", "batch     = 4");
      rollOuts.length = 0;
      const ours = await steps(planOf(join(root, "ours.llmp"), file.replace("= trl", "= llmp")), "grpo-ours", false);
      expect(rollOuts.map((rows) => rows.length)).toEqual(Array.from({ length: 20 }, () => 16));
      mkdirSync(join(root, "replay"), { recursive: true });
      writeFileSync(join(root, "replay", "sitecustomize.py"), replayPy);
      writeFileSync(join(root, "replay", "steps.json"), JSON.stringify(rollOuts));
      vi.stubEnv("PYTHONPATH", join(root, "replay"));
      vi.stubEnv("LLMP_ROLLOUTS", join(root, "replay", "steps.json"));
      const theirs = await steps(planOf(join(root, "theirs.llmp"), file), "grpo-trl", true);
      vi.unstubAllEnvs();
      expect(theirs.length).toBe(20);
      const off = (of: (s: StepMetrics) => number): number =>
        Math.max(...ours.map((s, i) => Math.abs(of(s) - of(theirs[i] as StepMetrics))));
      // The advantages show in the gradients: the loss of on-policy answers is nearly 0 whatever they are.
      const [loss, gradient] = [off((s) => s.loss), off((s) => s.grad_norm)];
      const largest = Math.max(...ours.map((s) => s.grad_norm));
      console.log(
        `trl, GRPO: losses differ by at most ${loss.toExponential(1)}, gradient norms (to ${largest.toFixed(2)}) by ${gradient.toExponential(1)} over 20 steps`,
      );
      expect(largest).toBeGreaterThan(0.1);
      expect(loss).toBeLessThan(1e-3);
      // Adam makes steps of full length out of the rounding of gradients that are nearly nothing.
      expect(gradient).toBeLessThan(1e-2);
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
