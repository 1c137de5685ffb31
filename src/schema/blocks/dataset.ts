import { field, list, oneOf, positive, ratio, text, words } from "../../catalog/index.js";
import type { BlockSpec } from "../types.js";

export const formats = {
  auto: "by the files' names and first rows",
  text: "plain text files",
  jsonl: "one JSON object a line (`.gz`, `.zst` too)",
  parquet: "Apache Parquet",
  chat: "JSON lines or Parquet with a list of messages",
  preference: "prompt, chosen and rejected answers",
  prompts: "prompts with reference answers, for rewards",
};

export const dataset: BlockSpec = {
  keyword: "dataset",
  doc: "Documents to train on.",
  since: "0.1",
  named: true,
  fields: [
    field(
      "source",
      oneOf(text, list(text)),
      "a path, a glob, an `s3://` address, or a list of them",
      '"s3://corpus/web/*.parquet"',
      { required: true },
    ),
    field("format", words(formats), "what the files hold", "jsonl", { default: "auto" }),
    field("field", text, "the column with the text", '"text"'),
    field("prompt", text, "the column with the prompt", '"question"'),
    field("completion", text, "the column with the answer to learn", '"response"'),
    field("messages", text, "the column with the list of chat messages", '"messages"'),
    field("chosen", text, "the column with the preferred answer", '"chosen"'),
    field("rejected", text, "the column with the other answer", '"rejected"'),
    field("answer", text, "the column with the reference answer that rewards compare with", '"answer"'),
    field("tokens", positive("tokens"), "how many tokens it has, where known", "1.2T"),
    field("holdout", ratio, "share kept away from training, for evaluation", "1%", { default: "0%" }),
  ],
  example: 'dataset web { source = "s3://corpus/web/*.parquet", field = "text", tokens = 1.2T }',
};
