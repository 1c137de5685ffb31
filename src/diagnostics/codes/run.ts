/** 6xxx run and environment. Codes are never reused. */
import { define } from "../define.js";

export const run = define({
  LLMP6101: {
    severity: "error",
    title: "A tokenizer cannot be read",
    message: "cannot read tokenizer {path}: {why}",
    since: "0.1",
  },
  LLMP6102: {
    severity: "error",
    title: "A chat template does not work",
    message: "the chat template cannot be used: {why}",
    since: "0.1",
  },
  LLMP6103: {
    severity: "error",
    title: "A dataset has no files",
    message: "dataset {dataset}: nothing matches {source}",
    since: "0.1",
  },
  LLMP6104: {
    severity: "error",
    title: "A data file cannot be read",
    message: "cannot read {path}: {why}",
    since: "0.1",
  },
  LLMP6105: {
    severity: "error",
    title: "A bad row in a data file",
    message: "{place}: {why}",
    since: "0.1",
  },
  LLMP6106: {
    severity: "warning",
    title: "Bad rows were skipped",
    message: "dataset {dataset}: skipped {count} bad rows of {rows}; the first: {place}: {why}",
    since: "0.1",
  },
  LLMP6107: {
    severity: "error",
    title: "A dataset has nothing to train on",
    message: "dataset {dataset} has no usable {what}",
    since: "0.1",
  },
  LLMP6108: {
    severity: "error",
    title: "The data has token ids that the model lacks",
    message: "dataset {dataset} has token {id}, but the model's vocabulary is {vocab}",
    since: "0.1",
  },
  LLMP6109: {
    severity: "error",
    title: "Data in S3 cannot be read",
    message: "cannot read {path}: {why}",
    since: "0.1",
  },
  LLMP6110: {
    severity: "error",
    title: "A dataset lacks what the objective needs",
    message: "dataset {dataset}: {objective} needs {needs}, and the rows have {have}",
    since: "0.1",
  },
  LLMP6111: {
    severity: "warning",
    title: "Samples were cut",
    message: "dataset {dataset}: {count} samples are longer than the context of {context} tokens and were cut",
    since: "0.1",
  },
  LLMP6201: {
    severity: "error",
    title: "Not a safetensors file",
    message: "{path} is not a valid safetensors file: {why}",
    since: "0.1",
  },
  LLMP6202: {
    severity: "error",
    title: "A weight is missing or has another shape",
    message: "{path}: weight {name} {why}",
    since: "0.1",
  },
  LLMP6203: {
    severity: "error",
    title: "A folder of weights cannot be read",
    message: "cannot read weights from {path}: {why}",
    since: "0.1",
  },
  LLMP6204: {
    severity: "warning",
    title: "Weights that the model does not use",
    message: "{path} has {count} weights that the model does not use: {names}",
    since: "0.1",
  },
  LLMP6205: {
    severity: "error",
    title: "An adapter does not fit",
    message: "adapter {path}: {why}",
    since: "0.1",
  },
  LLMP6301: {
    severity: "error",
    title: "There is no whole checkpoint",
    message: "no checkpoint in {path} can be used: {why}",
    since: "0.1",
  },
  LLMP6302: {
    severity: "warning",
    title: "A checkpoint is damaged",
    message: "checkpoint {path} is damaged ({why}); going back to {fallback}",
    since: "0.1",
  },
  LLMP6303: {
    severity: "error",
    title: "A checkpoint cannot be written",
    message: "cannot write checkpoint {path}: {why}; {last} is still whole",
    since: "0.1",
  },
  LLMP6304: {
    severity: "error",
    title: "A checkpoint is of another run",
    message: "checkpoint {path} was made by another plan: {what} differs",
    since: "0.1",
  },
  LLMP6401: {
    severity: "error",
    title: "There is no such run",
    message: "there is no run {name}",
    since: "0.1",
  },
  LLMP6402: {
    severity: "error",
    title: "A run lacks what is needed",
    message: "run {name} has no {what}",
    since: "0.1",
  },
  LLMP6403: {
    severity: "error",
    title: "A task file is not as expected",
    message: "{place}: {why}",
    since: "0.1",
  },
  LLMP6501: {
    severity: "error",
    title: "A reward cannot be computed",
    message: "reward {reward}: {why}",
    since: "0.1",
  },
});
