import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { byteTokenizer, chatRenderer, encodeParts, jsonTokenizer } from "../../src/runtime/tokenizer/index.js";

const fixtures = join(import.meta.dirname, "fixtures");
const read = (name: string) => readFileSync(join(fixtures, name), "utf8");

describe("tokenizer.json: ids equal those of Python's tokenizers", () => {
  for (const name of ["llama3", "gpt2", "llama2"]) {
    test(name, async () => {
      const tokenizer = await jsonTokenizer({ path: `${name}.json`, json: read(`${name}.json`) });
      const cases = JSON.parse(read(`${name}.expected.json`)) as { text: string; ids: number[]; decoded: string }[];
      for (const { text, ids, decoded } of cases) {
        expect([...tokenizer.encode(text)], JSON.stringify(text)).toEqual(ids);
        expect(tokenizer.decode(ids), JSON.stringify(text)).toBe(decoded);
      }
    });
  }

  test("a broken file is a diagnostic", async () => {
    await expect(jsonTokenizer({ path: "x.json", json: "{" })).rejects.toThrow(/LLMP6101/);
    await expect(jsonTokenizer({ path: "x.json", json: "{}" })).rejects.toThrow(/LLMP6101/);
    await expect(jsonTokenizer({ path: "x.json", json: '{"model":{"type":"Nope"}}' })).rejects.toThrow(/LLMP6101/);
  });
});

describe("bytes", () => {
  const texts = ["", "To be, or not", "naïve 東京 🙂", "a<|endoftext|>b<|im_end|>", "<|unknown|>"];

  test("round trip, with specials as one id", () => {
    const tokenizer = byteTokenizer();
    for (const text of texts) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    expect([...tokenizer.encode("a<|endoftext|>b")]).toEqual([97, 256, 98]);
    expect(tokenizer.decode([97, 256, 98], { skipSpecial: true })).toBe("ab");
  });

  test("a vocabulary of 256 has no specials", () => {
    const tokenizer = byteTokenizer(256);
    expect(tokenizer.endOfText).toBeUndefined();
    expect(Math.max(...tokenizer.encode("a<|endoftext|>b"))).toBeLessThan(256);
  });

  test("its tokenizer.json gives the same ids", async () => {
    const bytes = byteTokenizer();
    const files = bytes.files();
    const same = await jsonTokenizer({ path: "tokenizer.json", json: files["tokenizer.json"] ?? "" });
    for (const text of texts) expect(same.encode(text)).toEqual(bytes.encode(text));
    expect(same.endOfText).toBe(bytes.endOfText);
  });
});

describe("chat templates", () => {
  const templates = JSON.parse(read("chat_templates.json")) as Record<string, string>;
  const cases = JSON.parse(read("chat.expected.json")) as {
    template: string;
    messages: { role: string; content: string }[];
    generationPrompt: boolean;
    text: string;
  }[];
  const renderer = async (name: string) =>
    chatRenderer(
      await jsonTokenizer({
        path: "llama2.json",
        json: read("llama2.json"),
        config: JSON.stringify({ bos_token: "<s>", eos_token: { content: "</s>" } }),
        chatTemplate: templates[name] ?? "",
      }),
    );

  test("render as Jinja does in transformers", async () => {
    for (const { template, messages, generationPrompt, text } of cases)
      expect((await renderer(template)).render(messages, { generationPrompt }), template).toBe(text);
  });

  test("only what the assistant says is learned, with what ends its turn", () => {
    const tokenizer = byteTokenizer();
    const messages = cases[2]?.messages ?? [];
    const parts = chatRenderer(tokenizer).parts(messages);
    expect(parts.filter((p) => p.train).map((p) => p.text)).toEqual(["2<|im_end|>\n", " 4 <|im_end|>\n"]);
    expect(parts.map((p) => p.text).join("")).toBe(chatRenderer(tokenizer).render(messages));
    const { ids, mask } = encodeParts(tokenizer, parts);
    expect(tokenizer.decode(ids.filter((_, i) => mask[i] === 1))).toBe("2<|im_end|>\n 4 <|im_end|>\n");
  });

  test("a template that rewrites earlier turns is refused", () => {
    const tokenizer = byteTokenizer(260, "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}");
    const messages = [
      { role: "user", content: "a" },
      { role: "assistant", content: "b" },
      { role: "user", content: "c" },
    ];
    expect(() => chatRenderer(tokenizer).parts(messages)).toThrow(/LLMP6102/);
  });
});
