/** 7xxx import from other tools. Codes are never reused. */
import { define } from "../define.js";

export const imports = define({
  LLMP7001: {
    severity: "error",
    title: "There is nothing that can be imported",
    message: "cannot import {path}: {why}",
    since: "0.1",
  },
  LLMP7002: {
    severity: "error",
    title: "The model is of a kind that llmp does not know",
    message: "{path} is a model of type `{type}`, which no architecture here fits",
    since: "0.1",
  },
  LLMP7003: {
    severity: "warning",
    title: "Something was not carried over",
    message: "not carried over: {what}",
    since: "0.1",
  },
  LLMP7004: {
    severity: "error",
    title: "A key of the imported file is missing or wrong",
    message: "{path}: `{key}` {why}",
    since: "0.1",
  },
  LLMP7005: {
    severity: "warning",
    title: "The imported file leaves something open",
    message: "assumed: {what}",
    since: "0.1",
  },
  LLMP7006: {
    severity: "error",
    title: "The imported file's model is not known",
    message: "{path}: which model? {why}",
    since: "0.1",
  },
});
