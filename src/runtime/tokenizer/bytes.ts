import { createHash } from "node:crypto";
import { byteLevelJson } from "./byte-level.js";
import type { TextTokenizer } from "./types.js";

/** Specials after the 256 bytes, in this order, as far as the model's vocabulary has room for them. */
export const byteSpecials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"] as const;

/** GPT-2's printable stand-in for each byte, as `tokenizers`' ByteLevel writes it. */
export function byteLevelAlphabet(): string[] {
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : next++));
}

/**
 * One token per UTF-8 byte (ids 0..255), then the specials.
 * @param vocab size of the model's embedding; unused ids above the specials stay unused.
 */
export function byteTokenizer(vocab = 256 + byteSpecials.length, chatTemplate?: string): TextTokenizer {
  const specials = byteSpecials.slice(0, Math.max(0, vocab - 256));
  const ids = new Map<string, number>(specials.map((text, i) => [text, 256 + i]));
  const texts = new Map<number, string>([...ids].map(([text, id]) => [id, text]));
  const pattern = new RegExp(`(${byteSpecials.map((s) => s.replace(/[|]/g, "\\|")).join("|")})`);
  const decoder = new TextDecoder("utf-8");
  const eos = ids.get("<|endoftext|>");
  const pad = ids.get("<|pad|>") ?? eos;
  return {
    kind: "bytes",
    vocab: Math.max(256, vocab),
    ...(eos === undefined ? {} : { endOfText: eos, bos: eos }),
    ...(pad === undefined ? {} : { pad }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    fingerprint: createHash("sha256")
      .update(`bytes/1:${specials.join(",")}:${chatTemplate ?? ""}`)
      .digest("hex"),
    encode(text) {
      if (!text.includes("<|") || specials.length === 0) return Int32Array.from(Buffer.from(text, "utf8"));
      const out: number[] = [];
      for (const part of text.split(pattern)) {
        const special = ids.get(part);
        if (special !== undefined) out.push(special);
        else for (const byte of Buffer.from(part, "utf8")) out.push(byte);
      }
      return Int32Array.from(out);
    },
    decode(list, options = {}) {
      let out = "";
      let bytes: number[] = [];
      const flush = () => {
        if (bytes.length > 0) out += decoder.decode(Uint8Array.from(bytes));
        bytes = [];
      };
      for (let i = 0; i < list.length; i++) {
        const id = list[i] as number;
        if (id < 256) bytes.push(id);
        else {
          flush();
          if (options.skipSpecial !== true) out += texts.get(id) ?? "\uFFFD";
        }
      }
      flush();
      return out;
    },
    files: () => ({
      "tokenizer.json": `${JSON.stringify(byteTokenizerJson(specials), null, 2)}\n`,
      "tokenizer_config.json": `${JSON.stringify(
        {
          tokenizer_class: "PreTrainedTokenizerFast",
          clean_up_tokenization_spaces: false,
          ...(eos === undefined ? {} : { eos_token: "<|endoftext|>", bos_token: "<|endoftext|>" }),
          ...(pad === undefined ? {} : { pad_token: texts.get(pad) }),
          ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
        },
        null,
        2,
      )}\n`,
    }),
  };
}

/** The same tokens as a `tokenizer.json`: BPE over ByteLevel's alphabet with no merges. */
function byteTokenizerJson(specials: readonly string[]): object {
  const vocab = Object.fromEntries([...byteLevelAlphabet(), ...specials].map((token, id) => [token, id]));
  return byteLevelJson({ specials, firstSpecial: 256, vocab, merges: [], words: false });
}
