/** 2xxx types and units. Codes are never reused. */
import { define } from "../define.js";

export const units = define({});
