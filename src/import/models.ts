/** Hugging Face ids to bundled models. */

/** Words of ids that name the same shape: `Meta-`, `-Instruct`, dates of releases… */
const words = /(^|[-_.])(meta|hf|instruct|chat|base|it|pt|4k|1124|0425|0325)(?=$|[-_.])/gi;
const squash = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, "");

/** Where an id's version is a shape of its own, or none. */
const aliases: Readonly<Record<string, string>> = {
  "mistral-7b-v0.3": "mistral_7b",
  "mistral-7b-instruct-v0.3": "mistral_7b",
  "mistral-7b-instruct-v0.1": "mistral_7b_v0_1",
  "mixtral-8x7b-v0.1": "mixtral_8x7b",
  "mixtral-8x7b-instruct-v0.1": "mixtral_8x7b",
  "mixtral-8x22b-v0.1": "mixtral_8x22b",
  "mixtral-8x22b-instruct-v0.1": "mixtral_8x22b",
  // Llama 3.1 8B and 3.3 70B with other weights; the Qwen ones start from Qwen2.5-Math, which is a shape of its own.
  "deepseek-r1-distill-llama-8b": "llama3_1_8b",
  "deepseek-r1-distill-llama-70b": "llama3_3_70b",
};

/** The bundled model of the shape that an id names, by its last part. */
export function bundledModel<T extends { readonly name: string }>(id: string, models: readonly T[]): T | undefined {
  const last = (id.split("/").filter(Boolean).at(-1) ?? "").replace(/:.*$/, "");
  const alias = aliases[last.toLowerCase()];
  const by = (name: string): T | undefined => models.find((m) => squash(m.name) === squash(name));
  // Twice: two of the words may stand side by side and share their separator.
  return by(alias ?? last) ?? by(last.replace(words, "").replace(words, ""));
}
