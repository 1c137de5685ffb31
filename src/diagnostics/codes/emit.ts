/** 5xxx emission. Codes are never reused. */
import { define } from "../define.js";

export const emit = define({});
