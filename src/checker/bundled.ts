/** The bundled families under `std/`, for "did you mean" and `llmp ls`. A test holds this list and the folder together. */
export const families: readonly string[] = [
  "deepseek",
  "gemma2",
  "gemma3",
  "gpt2",
  "llama2",
  "llama3",
  "mistral",
  "mixtral",
  "olmo2",
  "phi",
  "qwen2_5",
  "qwen3",
  "smollm",
];
