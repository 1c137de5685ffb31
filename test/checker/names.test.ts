import { expect, test } from "vitest";
import { checkText } from "./helpers.js";

test.each(["constructor", "__proto__", "toString", "hasOwnProperty"])(
  "`%s` is a name like any other that is wrong",
  (name) => {
    const text = [
      `dataset ${name} { source = "s3://a" }`,
      `param a: ${name} = 5`,
      `${name} x { }`,
      `dataset z { ${name} = 5, source = ${name}, format = ${name} }`,
      `mix m { ${name} = 100% }`,
      "",
    ].join("\n");
    const { value, diagnostics } = checkText(text, { set: { [name]: "5" } });
    expect(value).toBeUndefined();
    expect(new Set(diagnostics.map((d) => d.code))).toEqual(
      new Set(["LLMP1019", "LLMP2013", "LLMP1001", "LLMP1002", "LLMP2001", "LLMP1003", "LLMP1004", "LLMP1012"]),
    );
  },
);

test("a value from --set says so, and overrides a block's own", () => {
  const text = "param n: int = 4\ncluster box { provider = sagemaker, instance = ml.p5.48xlarge, count = n }\n";
  const set = (options: Record<string, string>) => checkText(text, { set: options }).value?.clusters.box?.count;
  expect(set({})).toMatchObject({ value: { kind: "fixed", value: 4 }, from: "file" });
  expect(set({ n: "8" })).toEqual({ value: { kind: "fixed", value: 8 }, from: "set" });
  expect(set({ "box.count": "1..4" })).toEqual({ value: { kind: "range", min: 1, max: 4 }, from: "set" });
});
