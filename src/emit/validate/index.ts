/**
 * Requests against the official service models (data/aws-shapes.json, from botocore) and the documented rules between
 * fields, which the models do not hold (`rules.ts`).
 */

import { type Diagnostic, emitCodes } from "../../diagnostics/index.js";
import shapes from "../data/aws-shapes.json" with { type: "json" };
import { nvmeOnly, ruleProblems } from "./rules.js";
import type { Problem, RequestName } from "./types.js";

export type { Problem, RequestName } from "./types.js";
export { nvmeOnly };

interface Shape {
  readonly type: string;
  readonly required?: readonly string[];
  readonly members?: Readonly<Record<string, string>>;
  readonly member?: string;
  readonly key?: string;
  readonly value?: string;
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: string;
  readonly enum?: readonly string[];
}

const services = shapes.services as unknown as Readonly<
  Record<"sagemaker" | "batch", { readonly shapes: Readonly<Record<string, Shape>> }>
>;

const integers = new Set(["integer", "long"]);
const numbers = new Set(["integer", "long", "float", "double"]);

function check(
  all: Readonly<Record<string, Shape>>,
  name: string,
  value: unknown,
  path: string,
  found: Problem[],
): void {
  const shape = all[name];
  if (shape === undefined) throw new Error(`no shape ${name}`);
  const say = (problem: string): void => {
    found.push({ path: path === "" ? "(request)" : path, problem });
  };
  const size = (length: number, what: string): void => {
    if (shape.min !== undefined && length < shape.min) say(`has ${length} ${what}, fewer than ${shape.min}`);
    if (shape.max !== undefined && length > shape.max) say(`has ${length} ${what}, more than ${shape.max}`);
  };
  switch (shape.type) {
    case "structure": {
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        say("is not an object");
        return;
      }
      const members = shape.members ?? {};
      for (const required of shape.required ?? [])
        if ((value as Record<string, unknown>)[required] === undefined) say(`lacks ${required}`);
      for (const [key, item] of Object.entries(value)) {
        const member = members[key];
        const at = path === "" ? key : `${path}.${key}`;
        if (member === undefined) found.push({ path: at, problem: "is not a field of the request" });
        else if (item !== undefined) check(all, member, item, at, found);
      }
      return;
    }
    case "list":
      if (!Array.isArray(value)) {
        say("is not a list");
        return;
      }
      size(value.length, "entries");
      value.forEach((item, i) => {
        check(all, shape.member ?? "", item, `${path}[${i}]`, found);
      });
      return;
    case "map":
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        say("is not a map");
        return;
      }
      size(Object.keys(value).length, "entries");
      for (const [key, item] of Object.entries(value)) {
        check(all, shape.key ?? "", key, `${path}.${key}`, found);
        check(all, shape.value ?? "", item, `${path}.${key}`, found);
      }
      return;
    case "string":
      if (typeof value !== "string") {
        say("is not a string");
        return;
      }
      size(value.length, "characters");
      if (shape.enum !== undefined && !shape.enum.includes(value))
        say(`is ${JSON.stringify(value)}, not one of the ${shape.enum.length} allowed values`);
      if (shape.pattern !== undefined && !new RegExp(`^(?:${shape.pattern})$`, "u").test(value))
        say(`does not match ${shape.pattern}`);
      return;
    case "boolean":
      if (typeof value !== "boolean") say("is not true or false");
      return;
    default:
      if (!numbers.has(shape.type)) return;
      if (
        typeof value !== "number" ||
        !Number.isFinite(value) ||
        (integers.has(shape.type) && !Number.isInteger(value))
      ) {
        say(`is not a ${integers.has(shape.type) ? "whole " : ""}number`);
        return;
      }
      if (shape.min !== undefined && value < shape.min) say(`is ${value}, below ${shape.min}`);
      if (shape.max !== undefined && value > shape.max) say(`is ${value}, above ${shape.max}`);
  }
}

const serviceOf = (request: RequestName): "sagemaker" | "batch" =>
  request === "CreateTrainingJob" || request === "CreatePipeline" || request === "CreateCluster"
    ? "sagemaker"
    : "batch";

/** All that is wrong with a request; empty: valid. */
export function requestProblems(request: RequestName, body: unknown): Problem[] {
  const found: Problem[] = [];
  check(services[serviceOf(request)].shapes, `${request}Request`, body, "", found);
  found.push(...ruleProblems(request, body));
  return found;
}

export const validateRequest = (request: RequestName, body: unknown): Diagnostic[] =>
  requestProblems(request, body).map(({ path, problem }) =>
    emitCodes.report("LLMP5003", undefined, { request, path, problem }),
  );

/** Instance types that SageMaker training jobs take. */
export const trainingInstances: readonly string[] = services.sagemaker.shapes.TrainingInstanceType?.enum ?? [];
