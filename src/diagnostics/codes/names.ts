/** 1xxx names and imports. Codes are never reused. */
import { define } from "../define.js";

const since = "0.1";
const error = "error";

export const names = define({
  LLMP1001: { severity: error, title: "Unknown block", message: "there is no block called `{name}`", since },
  LLMP1002: { severity: error, title: "Unknown key", message: "{owner} has no key `{name}`", since },
  LLMP1003: { severity: error, title: "Unknown value", message: "`{name}` is not a value of `{key}`", since },
  LLMP1004: { severity: error, title: "Unknown name", message: "no {kind} is called `{name}`", since },
  LLMP1005: { severity: error, title: "Name used twice", message: "`{name}` is declared twice", since },
  LLMP1006: { severity: error, title: "Key set twice", message: "`{name}` is set twice in {owner}", since },
  LLMP1007: { severity: error, title: "Imported file not found", message: "cannot find `{path}`", since },
  LLMP1008: { severity: error, title: "Circular import", message: "`{path}` imports itself: {chain}", since },
  LLMP1009: {
    severity: error,
    title: "Path leaves the project",
    message: "`{path}` lies outside the project's folder",
    since,
  },
  LLMP1010: {
    severity: error,
    title: "Circular inheritance",
    message: "`{name}` inherits from itself: {chain}",
    since,
  },
  LLMP1011: { severity: error, title: "Circular stage order", message: "`{name}` starts from itself: {chain}", since },
  LLMP1012: { severity: error, title: "Unknown name in --set", message: "--set {name}: {reason}", since },
  LLMP1013: { severity: error, title: "Block cannot inherit", message: "a {kind} block cannot {what}", since },
  LLMP1014: { severity: error, title: "Block name missing or out of place", message: "{what}", since },
  LLMP1015: { severity: error, title: "Circular expression", message: "`{name}` depends on itself: {chain}", since },
  LLMP1016: { severity: error, title: "Unknown bundled family", message: "there is no bundled family `{name}`", since },
  LLMP1017: { severity: error, title: "Ambiguous name", message: "`{name}` is both a {first} and a {second}", since },
  LLMP1018: {
    severity: error,
    title: "Only one of these blocks",
    message: "a pipeline has one `{name}` block, this is the second",
    since,
  },
  LLMP1019: { severity: error, title: "Reserved name", message: "`{name}` is already {what}", since },
  LLMP1020: {
    severity: error,
    title: "Phase outside a mix",
    message: "a `from` phase belongs in a mix, not in {owner}",
    since,
  },
});
