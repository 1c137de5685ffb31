/** 4xxx planning. Codes are never reused. */
import { define } from "../define.js";

export const plan = define({});
