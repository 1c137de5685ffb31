/** Every code, for `llmp explain`, the error pages and the test that walks them. */
import type { CodeSpec } from "../define.js";
import { emit } from "./emit.js";
import { imports } from "./import.js";
import { internal } from "./internal.js";
import { model } from "./model.js";
import { names } from "./names.js";
import { parse } from "./parse.js";
import { plan } from "./plan.js";
import { run } from "./run.js";
import { units } from "./units.js";

export const allCodes: Readonly<Record<string, CodeSpec>> = {
  ...parse.codes,
  ...names.codes,
  ...units.codes,
  ...model.codes,
  ...plan.codes,
  ...emit.codes,
  ...run.codes,
  ...imports.codes,
  ...internal.codes,
};
