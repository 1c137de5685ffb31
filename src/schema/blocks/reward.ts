import { field, list, oneOf, positive, real, text, words } from "../../catalog/index.js";
import type { BlockSpec } from "../types.js";

export const reward: BlockSpec = {
  keyword: "reward",
  doc: "What an answer earns in reinforcement learning; rules that a program can verify.",
  since: "0.1",
  named: true,
  fields: [
    field(
      "kind",
      words({
        exact_answer: "1 where the final answer equals the dataset's `answer`",
        regex: "1 where the answer matches `pattern`",
        length: "1 where the answer is within the wanted length, less beyond it",
        command: "what a program prints, given prompt and answer as JSON on its input",
      }),
      "how it is found",
      "exact_answer",
      { required: true },
    ),
    field("pattern", text, "regular expression, for `regex`; the dot matches line ends too", '"<think>.*</think>"'),
    field(
      "command",
      oneOf(text, list(text)),
      "program and arguments, for `command`; never a shell",
      '["python", "grade.py"]',
    ),
    field("timeout", positive("seconds"), "longest run of the command", "10s", { default: "10s" }),
    field("weight", real(), "factor in the sum of rewards", "0.1", { default: "1" }),
  ],
  example: 'reward shaped { kind = regex, pattern = "<think>.*</think>", weight = 0.1 }',
};
