/** 2xxx types and units. Codes are never reused. */
import { define } from "../define.js";

const since = "0.1";
const error = "error";

export const units = define({
  LLMP2001: { severity: error, title: "Wrong type", message: "`{key}` takes {expected}, not {found}", since },
  LLMP2002: {
    severity: error,
    title: "Wrong unit",
    message: "`{key}` is measured in {expected}, not in {found}",
    since,
  },
  LLMP2003: { severity: error, title: "Units mixed", message: "{found} and {other} cannot be {verb}", since },
  LLMP2004: { severity: error, title: "Unknown unit", message: "`{unit}` is not a unit", since },
  LLMP2005: { severity: error, title: "Unit missing", message: "`{key}` needs a unit: {expected}", since },
  LLMP2006: { severity: error, title: "Out of range", message: "`{key}` must be {bound}, not {found}", since },
  LLMP2007: { severity: error, title: "Not whole", message: "`{key}` must be a whole number, not {found}", since },
  LLMP2008: {
    severity: error,
    title: "Not for the planner to decide",
    message: "`{key}` takes one value, not {found}",
    since,
  },
  LLMP2009: {
    severity: error,
    title: "Bad range",
    message: "a range goes from a smaller to a larger number{detail}",
    since,
  },
  LLMP2010: { severity: error, title: "Missing key", message: "{owner} needs `{key}`", since },
  LLMP2011: { severity: error, title: "Not a finite number", message: "this divides by zero or overflows", since },
  LLMP2012: {
    severity: error,
    title: "Arithmetic on what is not a number",
    message: "{found} cannot be calculated with",
    since,
  },
  LLMP2013: { severity: error, title: "Bad parameter", message: "parameter `{name}`: {reason}", since },
  LLMP2014: {
    severity: error,
    title: "Unreadable --set value",
    message: "--set {name}: `{value}` cannot be read as a value",
    since,
  },
  LLMP2015: { severity: "warning", title: "Option listed twice", message: "`{option}` is listed twice", since },
  LLMP2016: {
    severity: error,
    title: "Wrong sign between key and value",
    message: "`{key}` is written with `{expected}`",
    since,
  },
  LLMP2017: {
    severity: error,
    title: "Interval without `every`",
    message: "`{key}` is an interval: write `every {value}`",
    since,
  },
  LLMP2019: {
    severity: error,
    title: "Names that depend on too many others",
    message: "this depends on more than {count} names in a row",
    since,
  },
  LLMP2018: { severity: error, title: "Bad pattern", message: "`{key}`: this regular expression is not valid", since },
});
