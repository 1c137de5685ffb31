/** 5xxx emission. Codes are never reused. */
import { define } from "../define.js";

export const emit = define({
  LLMP5001: {
    severity: "error",
    title: "The engine cannot express the plan",
    message: "{engine} cannot express {what} of stage {stage}",
    since: "0.1",
  },
  LLMP5002: {
    severity: "error",
    title: "A name cannot be used in a job",
    message: "{what} {name} cannot be used in a job or a path",
    since: "0.1",
  },
  LLMP5003: {
    severity: "error",
    title: "A request breaks a rule of the service",
    message: "{request}: {path} {problem}",
    since: "0.1",
  },
  LLMP5004: {
    severity: "error",
    title: "The target needs a setting that the cluster lacks",
    message: "target {target} needs {key} in cluster {cluster}",
    since: "0.1",
  },
  LLMP5005: {
    severity: "error",
    title: "The target does not suit the cluster",
    message: "target {target} does not suit cluster {cluster} ({provider})",
    since: "0.1",
  },
  LLMP5006: {
    severity: "error",
    title: "The folder holds files that llmp did not write",
    message: "{directory} holds files that llmp did not write, such as {file}",
    since: "0.1",
  },
  LLMP5007: {
    severity: "error",
    title: "There is no such emit target",
    message: "there is no emit target {target}",
    since: "0.1",
  },
  LLMP5008: {
    severity: "error",
    title: "There is no container image",
    message: "no {kind} container image is known for region {region}",
    since: "0.1",
  },
  LLMP5011: {
    severity: "error",
    title: "Nothing to emit",
    message: "the plan is {outcome}: there is nothing to emit",
    since: "0.1",
  },
  LLMP5012: {
    severity: "error",
    title: "The objective does not fit the recipe form",
    message: "no HyperPod recipe form has {what} of stage {stage}",
    since: "0.1",
  },
  LLMP5101: {
    severity: "error",
    title: "The engine is not installed",
    message: "engine {engine} is not installed: {python} cannot import {module}",
    since: "0.1",
  },
  LLMP5102: {
    severity: "error",
    title: "The engine failed",
    message: "engine {engine} failed in stage {stage}: {reason}",
    since: "0.1",
  },
  LLMP5103: {
    severity: "error",
    title: "An input is missing",
    message: "stage {stage} has no {channel}: {path} does not exist",
    since: "0.1",
  },
  LLMP5104: {
    severity: "error",
    title: "No AWS credentials",
    message: "no AWS credentials were found",
    since: "0.1",
  },
  LLMP5105: {
    severity: "error",
    title: "An AWS quota is reached",
    message: "the quota of this account does not allow it: {reason}",
    since: "0.1",
  },
  LLMP5106: {
    severity: "error",
    title: "AWS has no capacity",
    message: "there is no capacity for the job now: {reason}",
    since: "0.1",
  },
  LLMP5107: {
    severity: "error",
    title: "AWS does not permit it",
    message: "the credentials may not do that: {reason}",
    since: "0.1",
  },
  LLMP5108: {
    severity: "error",
    title: "AWS refused the request",
    message: "{service} refused {operation}: {reason}",
    since: "0.1",
  },
  LLMP5109: {
    severity: "error",
    title: "The remote job failed",
    message: "job {job} ended as {status}: {reason}",
    since: "0.1",
  },
  LLMP5110: {
    severity: "error",
    title: "The AWS region is unknown",
    message: "no AWS region is set",
    since: "0.1",
  },
  LLMP5111: {
    severity: "error",
    title: "The engine could not be installed",
    message: "engine {engine} could not be installed: {reason}",
    since: "0.1",
  },
  LLMP5112: {
    severity: "error",
    title: "The remote run cannot be resumed",
    message: "run {run} cannot be resumed: {reason}",
    since: "0.1",
  },
});
