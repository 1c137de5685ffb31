/** 4xxx planning. Codes are never reused. */
import { define } from "../define.js";

const since = "0.1";

export const plan = define({
  LLMP4001: {
    severity: "error",
    title: "Nothing can run the stage",
    message: "no engine and machine that the file allows can run stage `{stage}`",
    since,
  },
  LLMP4002: {
    severity: "error",
    title: "No layout",
    message: "stage `{stage}`: no layout fills {devices} devices as the file asks",
    since,
  },
  LLMP4101: {
    severity: "error",
    title: "Does not fit",
    message: "stage `{stage}` does not fit: at best {peak} of {capacity}",
    since,
  },
  LLMP4107: {
    severity: "error",
    title: "Over budget",
    message: "the best plan takes {found}, the budget is {limit}",
    since,
  },
  LLMP4108: {
    severity: "warning",
    title: "Price not known",
    message: "stage `{stage}`: no price of {instance} ({pricing}) in {region}",
    since,
  },
  LLMP4109: {
    severity: "warning",
    title: "Search cut short",
    message: "stage `{stage}`: the search stopped at its limit; the plan fits, but a better one may exist",
    since,
  },
  LLMP4110: {
    severity: "error",
    title: "Budget cannot be checked",
    message: "no price of {offers} is known, so nothing says that it costs less than {limit}",
    since,
  },
});
