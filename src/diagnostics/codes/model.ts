/** 3xxx model and training rules. Codes are never reused. */
import { define } from "../define.js";

export const model = define({});
