/** 1xxx names and imports. Codes are never reused. */
import { define } from "../define.js";

export const names = define({});
