import { precisionByName, precisions } from "../catalog/index.js";

/** Names that exist without being declared. */
export const localCluster = "local";

/** What a name already means for a kind of block, in words. */
export function predefined(kind: string, name: string): string | undefined {
  if (kind === "precision" && precisionByName(name) !== undefined) return "a predefined precision";
  if (kind === "cluster" && name === localCluster) return "this machine";
  return undefined;
}

/** Predefined names of a kind, for "did you mean" and completion. */
export function predefinedNames(kind: string): readonly string[] {
  if (kind === "precision") return precisions.map((p) => p.name);
  if (kind === "cluster") return [localCluster];
  return [];
}
