/** A `tokenizer.json` of byte-level BPE, as `tokenizers` writes it. */
export interface ByteLevelBpe {
  /** In id order from `firstSpecial`. */
  readonly specials: readonly string[];
  readonly firstSpecial: number;
  readonly vocab: Readonly<Record<string, number>>;
  readonly merges: readonly (readonly [string, string])[];
  /** GPT-2's split into words before merging. */
  readonly words: boolean;
}

export function byteLevelJson(bpe: ByteLevelBpe): object {
  const level = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: bpe.words };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: bpe.specials.map((content, i) => ({
      id: bpe.firstSpecial + i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: level,
    post_processor: null,
    decoder: level,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: bpe.vocab,
      merges: bpe.merges,
    },
  };
}
