/** 9xxx our own bug. Codes are never reused. */
import { define } from "../define.js";

export const internal = define({});
