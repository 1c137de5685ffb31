/** Text to token ids and back. Ids are those of Hugging Face `tokenizers` for the same `tokenizer.json`. */
export interface TextTokenizer {
  readonly kind: "bytes" | "bpe";
  /** Ids run from 0 to `vocab` − 1. */
  readonly vocab: number;
  /** Undefined where the model's vocabulary has no place for it. */
  readonly endOfText?: number;
  readonly bos?: number;
  readonly pad?: number;
  /** Changes whenever an id could change: keys the cache of tokens. */
  readonly fingerprint: string;
  /** Jinja source of the chat template. */
  readonly chatTemplate?: string;
  /** Ids of the text alone; special tokens only where the text names them. */
  encode(text: string): Int32Array;
  /** Invalid UTF-8 becomes U+FFFD; special tokens are shown unless `skipSpecial`. */
  decode(ids: ArrayLike<number>, options?: { readonly skipSpecial?: boolean }): string;
  /** What `transformers` reads: `tokenizer.json`, `tokenizer_config.json`. */
  files(): Readonly<Record<string, string>>;
}

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  readonly [extra: string]: unknown;
}

/** A run of text that is either learned (`train`) or only read. */
export interface ChatPart {
  readonly text: string;
  readonly train: boolean;
}
