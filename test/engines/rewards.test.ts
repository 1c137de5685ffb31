/** The emitted rewards.py judges as the runtime's own rewards do. Needs python3 only. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, expect, it } from "vitest";
import { emit } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { finalAnswer, sameAnswer } from "../../src/runtime/rewards/index.js";
import { cases } from "../emit/fixtures/cases.js";

const root = mkdtempSync(join(tmpdir(), "llmp-rewards-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const texts = [
  "4",
  "<think>hm</think>  <answer> 4 </answer>",
  "so \\boxed{\\frac{1}{2}} it is",
  "\\boxed{3} then \\boxed{4}",
  "a #### 1,234",
  "1234.0",
  "3/4",
  "0.75",
  "$5",
  "5",
  "50%",
  "Yes.",
  "yes",
  "no",
  "1e3",
  "1,000",
  "",
  "\\boxed{open",
  "<answer>7",
  "####",
  "-3",
  "+3.",
  "12 ,5",
];

it("agrees with the runtime on every pair of answers", async () => {
  const files = (await emit("engine", (cases["stages-sft-grpo"] as () => Plan)())).value ?? [];
  const rewards = files.find((f) => f.path.endsWith("rewards.py"));
  writeFileSync(join(root, "rewards.py"), rewards?.text ?? "");
  const code =
    "import json,sys,rewards as r; t=json.load(sys.stdin); print(json.dumps({'final':[r.final_answer(x) for x in t],'same':[[r.same_answer(r.final_answer(a),r.final_answer(b)) for b in t] for a in t]}))";
  const { stdout } = await execa("python3", ["-c", code], { cwd: root, input: JSON.stringify(texts) });
  const python = JSON.parse(stdout) as { final: string[]; same: boolean[][] };
  expect(python.final).toEqual(texts.map(finalAnswer));
  expect(python.same).toEqual(texts.map((a) => texts.map((b) => sameAnswer(finalAnswer(a), finalAnswer(b)))));
});
