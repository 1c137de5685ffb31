import { field, text, words } from "../../catalog/index.js";
import type { BlockSpec } from "../types.js";

export const tokenizer: BlockSpec = {
  keyword: "tokenizer",
  doc: "How text becomes tokens.",
  since: "0.1",
  named: true,
  fields: [
    field(
      "kind",
      words({
        bytes: "one token per UTF-8 byte: 256 and a few specials",
        bpe: "byte-pair encoding from a `tokenizer.json`",
      }),
      "what it is",
      "bpe",
      { required: true },
    ),
    field("file", text, "a Hugging Face `tokenizer.json`", '"llama3/tokenizer.json"'),
    field("chat_template", text, "the Jinja template of a chat, or the path of a file with one", '"chatml.jinja"'),
  ],
  example: 'tokenizer llama { kind = bpe, file = "llama3/tokenizer.json" }',
};
