import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { lines, textPieces } from "../../../../src/runtime/data/lines.js";
import { jsonRows, parquetRows } from "../../../../src/runtime/data/rows.js";
import { chatRenderer, jsonTokenizer } from "../../../../src/runtime/tokenizer/index.js";
import { at, bytes, drained, ends, inMemory, refuses, type Target, text } from "./types.js";

const rows = '{"text":"one"}\n{"text":"two","n":[1,2]}\n{"messages":[{"role":"user","content":"hi"}]}\n';
const added = (id: number, content: string, special: boolean) => ({
  id,
  content,
  special,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
});
const bpe = { type: "BPE", vocab: { a: 0, b: 1, ab: 2, c: 3, "<0x61>": 5, "▁a": 6 }, merges: ["a b"] };
const tokenizers = [
  {
    version: "1.0",
    added_tokens: [added(4, "<|endoftext|>", true)],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    decoder: { type: "ByteLevel" },
    model: bpe,
  },
  {
    version: "1.0",
    added_tokens: [added(7, "</s>", true)],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        {
          type: "Split",
          pattern: { Regex: "\\p{L}+|\\p{N}{1,3}| ?[^\\s]+|\\s+" },
          behavior: "Isolated",
          invert: false,
        },
      ],
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "</s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [],
      special_tokens: { "</s>": { id: "</s>", ids: [7], tokens: ["</s>"] } },
    },
    decoder: { type: "Sequence", decoders: [{ type: "ByteFallback" }, { type: "Fuse" }] },
    model: { ...bpe, merges: [["a", "b"]], byte_fallback: true, unk_token: "c" },
  },
  {
    version: "1.0",
    added_tokens: [],
    model: {
      type: "Unigram",
      unk_id: 0,
      vocab: [
        ["<unk>", 0],
        ["a", -1.5],
        ["ab", -2],
      ],
    },
  },
].map((t) => bytes(JSON.stringify(t)));

const templates = [
  "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
  "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content | trim }} [/INST]{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}",
  "{%- if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% else %}{% set loop_messages = messages %}{% endif %}{%- for m in loop_messages %}{{ loop.index0 ~ m['content'] | upper }}{{ raise_exception('no') if m.role == 'x' }}{% endfor %}",
].map(bytes);

const parquet = ["chat_none", "chat_snappy", "chat_gzip", "chat_zstd"].map((f) =>
  readFileSync(at(`test/data/fixtures/${f}.parquet`)),
);

export const data: readonly Target[] = [
  {
    name: "JSON lines",
    seeds: [bytes(rows)],
    run: (input) => refuses(() => drained(jsonRows(inMemory("x.jsonl", input)))),
  },
  {
    name: "JSON array",
    json: true,
    seeds: [bytes('[{"text":"one"},{"text":"two"}]')],
    run: (input) => ends(() => drained(jsonRows(inMemory("x.json", input)))),
  },
  {
    name: "compressed lines",
    seeds: [gzipSync(rows), readFileSync(at("test/data/fixtures/text.jsonl.zst"))],
    run: (input) => {
      const name = input[0] === 0x1f ? "x.jsonl.gz" : "x.jsonl.zst";
      return ends(() => drained(jsonRows(inMemory(name, input))));
    },
  },
  {
    name: "text",
    seeds: [bytes("One line.\nTwo lines; é 😀.\r\n\nThree.")],
    run: (input) =>
      ends(async () => {
        await drained(lines(inMemory("x.txt", input).stream()));
        await drained(textPieces(inMemory("x.txt", input).stream(), 8));
      }),
  },
  {
    name: "Parquet",
    seeds: parquet,
    weight: 2,
    run: (input) => ends(() => drained(parquetRows(inMemory("x.parquet", input)))),
  },
  {
    name: "tokenizer.json",
    json: true,
    seeds: tokenizers,
    run: (input) =>
      refuses(async () => {
        const tokenizer = await jsonTokenizer({ path: "tokenizer.json", json: text(input) });
        tokenizer.decode(tokenizer.encode("abc ab 12 é"));
      }),
  },
  {
    name: "chat template",
    seeds: templates,
    run: (input) =>
      refuses(() => {
        const chatTemplate = text(input);
        const decode = () => "<s>";
        const renderer = chatRenderer({ chatTemplate, decode, bos: 0, endOfText: 1, pad: 1 } as never);
        renderer.parts([
          { role: "user", content: "hi" },
          { role: "assistant", content: "ho" },
        ]);
      }),
  },
];
