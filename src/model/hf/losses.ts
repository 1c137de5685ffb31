/** What a model loses as a `config.json`: shapes that no class of `transformers` has. */
import type { ModelSpec } from "../../checker/index.js";
import { type FieldValue, fieldsOf, impliedFields } from "../fields.js";
import { fromHfConfig } from "./read.js";
import { toHfConfig } from "./write.js";

/** How a model is trained or planned, not what it computes. */
const training = /^(weights|dropout|capacity_factor|aux_loss|balancing|imbalance)$/;

/** Keys whose value `transformers` would take otherwise, by writing the configuration and reading it back. */
export function hfLosses(spec: ModelSpec): readonly string[] {
  const own = fieldsOf(spec);
  const { value } = fromHfConfig(toHfConfig(spec), "config.json");
  const back = value === undefined ? {} : { ...impliedFields(value), ...value };
  return Object.keys(own).filter((key) => !training.test(key) && !same(own[key], back[key]));
}

const same = (a: FieldValue | undefined, b: FieldValue | undefined): boolean =>
  a === b || (typeof a === "object" && typeof b === "object" && canonical(a) === canonical(b));
const canonical = (value: object): string => JSON.stringify(Object.entries(value).sort());
