/** 6xxx run and environment. Codes are never reused. */
import { define } from "../define.js";

export const run = define({});
