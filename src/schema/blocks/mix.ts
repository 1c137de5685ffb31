import { field, quantity, words } from "../../catalog/index.js";
import type { BlockSpec } from "../types.js";

export const mix: BlockSpec = {
  keyword: "mix",
  doc: "Several datasets by weight; `from 90% { … }` changes the weights for the rest of the training.",
  since: "0.1",
  named: true,
  fields: [
    field(
      "unit",
      words({ tokens: "shares of the tokens", documents: "shares of the documents" }),
      "what a weight means",
      "tokens",
      { default: "tokens" },
    ),
  ],
  open: {
    keys: ["dataset"],
    value: field("DATASET", quantity("ratio"), "share of this dataset", "70%"),
  },
  phases: true,
  example: "mix medical {\n  web    = 70%\n  pubmed = 30%\n  from 90% { web = 40%, pubmed = 60% }\n}",
};
