/** 0xxx reading, lexing, parsing. Codes are never reused. */
import { define } from "../define.js";

export const parse = define({});
