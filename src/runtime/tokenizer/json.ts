import { createHash } from "node:crypto";
import { runCodes } from "../../diagnostics/index.js";
import { fail } from "../failure.js";
import type { TextTokenizer } from "./types.js";

interface TokenizerConfig {
  readonly eos_token?: unknown;
  readonly bos_token?: unknown;
  readonly pad_token?: unknown;
  readonly chat_template?: unknown;
}

/** A token in `tokenizer_config.json` is a string, or an object with its `content`. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}

/** Which added token ends a document, where no configuration says so. */
const usualEnds = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>", "<｜end▁of▁sentence｜>", "[SEP]"];
const usualStarts = ["<|begin_of_text|>", "<s>", "<bos>", "<｜begin▁of▁sentence｜>"];

export interface TokenizerJsonSource {
  /** Shown in messages. */
  readonly path: string;
  readonly json: string;
  /** Text of the `tokenizer_config.json` beside it. */
  readonly config?: string;
  readonly chatTemplate?: string;
}

/** Any `tokenizer.json` (BPE, Unigram, WordPiece), by the maintained `@huggingface/tokenizers`. */
export async function jsonTokenizer(source: TokenizerJsonSource): Promise<TextTokenizer> {
  const { Tokenizer } = await import("@huggingface/tokenizers");
  const parsed = parseJson(source.json, source.path) as {
    added_tokens?: readonly { content: string; id: number; special?: boolean }[];
    model?: unknown;
  };
  const refuse = (why: string): never => fail(runCodes.report("LLMP6101", undefined, { path: source.path, why }));
  if (typeof parsed !== "object" || parsed === null || parsed.model === undefined) refuse("it has no `model`");
  const strange = strangeId(parsed);
  if (strange !== undefined) refuse(strange);
  const config =
    source.config === undefined ? {} : (parseJson(source.config, "tokenizer_config.json") as TokenizerConfig);
  let inner: InstanceType<typeof Tokenizer>;
  try {
    inner = new Tokenizer(parsed, { clean_up_tokenization_spaces: false, ...config });
  } catch (error) {
    return refuse((error as Error).message);
  }
  /** Parts of the pipeline that are spoilt fail at their first text, or at the first that has a certain token. */
  const sound = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      return refuse((error as Error).message);
    }
  };
  // Text that not even `unk_token` stands for, and ids of no token: the library says `undefined`. As with BPE there, no trace.
  const isToken = (id: number | undefined): boolean =>
    Number.isInteger(id) && inner.id_to_token(Number(id)) !== undefined;
  const encode = (text: string): number[] =>
    sound(() => inner.encode(text, { add_special_tokens: false }).ids.filter(isToken));
  const decode = (ids: ArrayLike<number>, skipSpecial: boolean): string =>
    sound(() => {
      const tokens = Array.from(ids).filter(isToken);
      if (tokens.length === 0) return "";
      return inner.decode(tokens, { skip_special_tokens: skipSpecial, clean_up_tokenization_spaces: false });
    });
  decode(encode("a"), false);
  const special = (named: unknown, usual: readonly string[]): number | undefined => {
    const text = tokenText(named) ?? usual.find((t) => inner.token_to_id(t) !== undefined);
    return text === undefined ? undefined : inner.token_to_id(text);
  };
  const eos = special(config.eos_token, usualEnds);
  const bos = special(config.bos_token, usualStarts);
  const pad = special(config.pad_token, []) ?? eos;
  const template = source.chatTemplate ?? chatTemplateOf(config.chat_template);
  let vocab = 0;
  for (const id of inner.get_vocab(true).values()) vocab = Math.max(vocab, id + 1);
  return {
    kind: "bpe",
    vocab,
    ...(eos === undefined ? {} : { endOfText: eos }),
    ...(bos === undefined ? {} : { bos }),
    ...(pad === undefined ? {} : { pad }),
    ...(template === undefined ? {} : { chatTemplate: template }),
    fingerprint: createHash("sha256")
      .update(`json/1:${eos}:${bos}:${template ?? ""}:`)
      .update(source.json)
      .digest("hex"),
    encode: (text) => Int32Array.from(text === "" ? [] : encode(text)),
    decode: (ids, options = {}) => decode(ids, options.skipSpecial === true),
    files: () => {
      const written = { ...config, ...(template === undefined ? {} : { chat_template: template }) };
      return {
        "tokenizer.json": source.json,
        "tokenizer_config.json": `${JSON.stringify(
          { tokenizer_class: "PreTrainedTokenizerFast", clean_up_tokenization_spaces: false, ...written },
          null,
          2,
        )}\n`,
      };
    },
  };
}

/** More tokens than any vocabulary has. */
const mostTokens = 1 << 24;

/** The reader makes a list as long as the largest id: one of 2^31 would never end. (Found by fuzzing.) */
function strangeId(json: { readonly added_tokens?: unknown; readonly model?: unknown }): string | undefined {
  const sound = (id: unknown): boolean => typeof id === "number" && Number.isInteger(id) && id >= 0 && id < mostTokens;
  const { vocab } = (json.model ?? {}) as { readonly vocab?: unknown };
  if (typeof vocab === "object" && vocab !== null && !Array.isArray(vocab))
    for (const [token, id] of Object.entries(vocab))
      if (!sound(id)) return `token ${JSON.stringify(token)} has the id ${JSON.stringify(id)}`;
  if (json.added_tokens === undefined) return undefined;
  if (!Array.isArray(json.added_tokens)) return "its added_tokens are not a list";
  for (const token of json.added_tokens as readonly ({ readonly id?: unknown; readonly content?: unknown } | null)[])
    if (!sound(token?.id) || typeof token?.content !== "string")
      return `added token ${JSON.stringify(token)} has no content and id`;
  return undefined;
}

function chatTemplateOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  const named = value as readonly { name?: string; template?: string }[];
  return (named.find((t) => t.name === "default") ?? named[0])?.template;
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return fail(runCodes.report("LLMP6101", undefined, { path, why: (error as Error).message }));
  }
}
