import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { checkText, render } from "./helpers.js";

const folder = new URL("../scenarios/", import.meta.url);
const names = readdirSync(folder);

test.each(names)("%s", async (name) => {
  const path = new URL(`${name}/`, folder);
  const text = readFileSync(new URL("main.llmp", path), "utf8");
  const { value, diagnostics } = checkText(text);
  await expect(`${render(diagnostics, text)}\n`).toMatchFileSnapshot(new URL("main.diagnostics.txt", path).pathname);
  if (value === undefined) return;
  // Places move with every comment; the diagnostics have them.
  const plain = JSON.stringify(value, (key, v) => (key === "span" ? undefined : v), 2);
  await expect(`${plain}\n`).toMatchFileSnapshot(new URL("main.pipeline.json", path).pathname);
});
