import type { TextTokenizer } from "../tokenizer/index.js";
import { pick, type SamplingOptions, uniform } from "./pick.js";
import type { LanguageModel } from "./types.js";

export interface GenerateOptions extends SamplingOptions {
  readonly tokens: number;
  readonly seed: number;
  /** Stop at the tokenizer's end of text (default), or go on to `tokens`. */
  readonly ignoreEnd?: boolean;
}

export interface Generated {
  readonly text: string;
  readonly ids: readonly number[];
  readonly stopped: "end" | "length";
}

/** Continues a text token by token; `onText` gets whole characters as they come. Beyond the context, the oldest tokens are dropped. */
export async function generate(
  model: LanguageModel,
  tokenizer: TextTokenizer,
  prompt: string,
  options: GenerateOptions,
  onText: (text: string) => void = () => {},
): Promise<Generated> {
  const start = tokenizer.encode(prompt);
  // A model of running text starts from the end of the document before; without such a token, from a newline.
  const first = tokenizer.bos ?? tokenizer.endOfText ?? tokenizer.encode("\n")[0] ?? 0;
  const ids: number[] = start.length > 0 ? [...start] : [first];
  const out: number[] = [];
  const random = uniform(options.seed);
  const real = Math.min(model.vocab, tokenizer.vocab);
  let shown = "";
  while (out.length < options.tokens) {
    const logits = await model.next(Int32Array.from(ids.slice(-model.contextLength)));
    const id = pick(
      logits,
      options,
      random,
      (i) => i < real && !(options.ignoreEnd === true && i === tokenizer.endOfText),
    );
    if (id === tokenizer.endOfText) return { text: tokenizer.decode(out), ids: out, stopped: "end" };
    out.push(id);
    ids.push(id);
    const text = tokenizer.decode(out);
    // A character that is not whole yet decodes to U+FFFD at the end.
    const whole = text.replace(/\uFFFD+$/, "");
    if (whole.length > shown.length && whole.startsWith(shown)) {
      onText(whole.slice(shown.length));
      shown = whole;
    }
  }
  const text = tokenizer.decode(out);
  if (text.startsWith(shown) && text.length > shown.length) onText(text.slice(shown.length));
  return { text, ids: out, stopped: "length" };
}
