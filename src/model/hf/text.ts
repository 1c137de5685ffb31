/** `config.json` as text. */
import type { Json } from "./families.js";

/**
 * Keys that Python reads as floats. transformers 5 refuses `"attention_dropout": 0` (int) where 0.0 is due, and
 * JavaScript's JSON knows no difference.
 */
const floats =
  /^(\w+_dropout|\w+_pdrop|dropout|\w*norm_eps(ilon)?|layer_norm_epsilon|rope_theta|rope_local_base_freq|partial_rotary_factor|factor|\w+_freq_factor|mscale\w*|\w+_softcapping|routed_scaling_factor|\w+_loss_coef|aux_loss_alpha)$/;

export function hfConfigText(config: Readonly<Record<string, Json>>): string {
  return `${object(config, "")}\n`;
}

function object(value: Readonly<Record<string, Json>>, indent: string): string {
  const inner = `${indent}  `;
  const lines = Object.entries(value).map(([key, v]) => `${inner}${JSON.stringify(key)}: ${one(key, v, inner)}`);
  return lines.length === 0 ? "{}" : `{\n${lines.join(",\n")}\n${indent}}`;
}

function one(key: string, value: Json, indent: string): string {
  if (typeof value === "number") return Number.isInteger(value) && floats.test(key) ? `${value}.0` : String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (!Array.isArray(value)) return object(value as Readonly<Record<string, Json>>, indent);
  return `[${value.map((v: Json) => one("", v, indent)).join(", ")}]`;
}
