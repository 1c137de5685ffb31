import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { writeWhole } from "../../src/files/index.js";

const folder = mkdtempSync(join(tmpdir(), "llmp-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("replaces a file and keeps its mode", () => {
  const path = join(folder, "a");
  writeFileSync(path, "old", { mode: 0o600 });
  writeWhole(path, "new");
  expect(readFileSync(path, "utf8")).toBe("new");
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

it("follows a link instead of replacing it", () => {
  const [path, link] = [join(folder, "b"), join(folder, "link")];
  writeFileSync(path, "old");
  symlinkSync(path, link);
  writeWhole(link, "new");
  expect(readFileSync(path, "utf8")).toBe("new");
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
});

it.skipIf(!existsSync("/dev/null"))("writes to what is no file, and leaves it there", () => {
  writeWhole("/dev/null", "gone");
  expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
});

it("leaves nothing behind when it fails", () => {
  const inner = join(folder, "empty");
  mkdirSync(inner);
  expect(() => writeWhole(join(inner, "missing", "file"), "x")).toThrow("ENOENT");
  expect(readdirSync(inner)).toEqual([]);
});
