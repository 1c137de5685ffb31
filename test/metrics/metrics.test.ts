import { spawn } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import {
  crc32c,
  findRun,
  openMetrics,
  readMetrics,
  readRun,
  recordRun,
  runFolders,
} from "../../src/runtime/metrics/index.js";
import type { StepMetrics } from "../../src/runtime/types.js";

const temporary = () => mkdtempSync(join(tmpdir(), "llmp-metrics-"));
const step = (n: number, more: Partial<StepMetrics> = {}): StepMetrics => ({
  step: n,
  loss: 4 / (n + 1) + 1,
  tokens: 1024 * (n + 1),
  tokens_per_second: 5000 + n,
  step_seconds: 0.2,
  peak_bytes: 1e8,
  lr: 3e-4,
  grad_norm: 1.5,
  ...more,
});
const started = (startStep: number) =>
  ({
    kind: "stage",
    stage: "base",
    backend: "wasm",
    steps: 10,
    startStep,
    predicted: { peakBytes: 1, stepSeconds: 1 },
  }) as const;

test("CRC-32C: the check value of RFC 3720, and its test vectors", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
});

/** A reader of TFRecord and of the few protobuf fields, written apart from the writer. */
function readEvents(path: string): { step: number; scalars: Record<string, number> }[] {
  const bytes = readFileSync(path);
  const unmask = (crc: number) => {
    const rot = (crc - 0xa282ead8) >>> 0;
    return ((rot >>> 17) | (rot << 15)) >>> 0;
  };
  const message = (data: Buffer): [number, number | Buffer][] => {
    const fields: [number, number | Buffer][] = [];
    let at = 0;
    const varint = () => {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = data[at++] ?? 0;
        value += (byte & 127) * 2 ** shift;
        if (byte < 128) return value;
      }
    };
    while (at < data.length) {
      const key = varint();
      if ((key & 7) === 0) fields.push([key >> 3, varint()]);
      else {
        const size = (key & 7) === 1 ? 8 : (key & 7) === 5 ? 4 : varint();
        fields.push([key >> 3, data.subarray(at, at + size)]);
        at += size;
      }
    }
    return fields;
  };
  const out: { step: number; scalars: Record<string, number> }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(unmask(bytes.readUInt32LE(at + 8))).toBe(crc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(unmask(bytes.readUInt32LE(at + 12 + length))).toBe(crc32c(data));
    const event = message(data);
    const summary = event.find(([n]) => n === 5)?.[1];
    const scalars: Record<string, number> = {};
    if (summary !== undefined)
      for (const [, value] of message(summary as Buffer)) {
        const fields = new Map(message(value as Buffer));
        scalars[String(fields.get(1))] = (fields.get(2) as Buffer).readFloatLE();
      }
    out.push({ step: Number(event.find(([n]) => n === 2)?.[1] ?? 0), scalars });
    at += 16 + length;
  }
  return out;
}

test("metrics, TensorBoard events, summary and report of a run", async () => {
  const folder = join(temporary(), "runs", "demo");
  const sink = openMetrics(folder);
  sink.event(started(0));
  for (let n = 0; n < 300; n++)
    sink.step("base", step(n, { losses: { web: 2, "a<b": 3 }, extra: { reward: n / 300 } }));
  sink.event({ kind: "evaluate", stage: "base", step: 299, losses: { web: 1.25 } });
  const measured = { peak_bytes: 110, step_seconds: 0.2, tokens_per_second: 5 };
  await sink.summary({
    stages: [
      {
        name: "base",
        backend: "wasm",
        predicted: { peak_bytes: 100, step_seconds: 0.25 },
        measured,
        first_loss: 5,
        final_loss: 1,
        steps: 300,
      },
    ],
  });
  await sink.close();
  expect(readMetrics(join(folder, "base", "metrics.jsonl"))).toHaveLength(300);
  const [file = ""] = readdirSync(join(folder, "tensorboard", "base"));
  const events = readEvents(join(folder, "tensorboard", "base", file));
  expect(events).toHaveLength(302);
  expect(events[200]).toMatchObject({ step: 199, scalars: { "train/loss": Math.fround(1.02), "loss/web": 2 } });
  expect(events[301]?.scalars).toEqual({ "eval/web": 1.25 });
  const html = readFileSync(join(folder, "report.html"), "utf8");
  const { document } = parseHTML(html);
  expect(document.querySelectorAll("polyline").length).toBe(8);
  // Evaluated once: a line of one point would not be seen.
  expect(document.querySelectorAll("circle").length).toBe(1);
  expect(document.querySelector("figcaption")?.textContent).toContain("held-out web 1.25");
  expect(document.querySelector("table")?.textContent).toMatch(/step250 ms200 ms\+25%/);
  expect(html).toContain("a&#60;b");
  expect(html).not.toMatch(/<script|https?:|NaN/);
});

test("resuming drops what comes after the checkpoint, and a line cut off by a kill", async () => {
  const folder = join(temporary(), "demo");
  const write = async (done: number, to: number) => {
    const sink = openMetrics(folder);
    sink.event(started(done));
    for (let n = done + 1; n <= to; n++) {
      sink.step("base", step(n, { lr: done }));
      sink.event({ kind: "evaluate", stage: "base", step: n, losses: { web: done } });
    }
    await sink.close();
  };
  await write(0, 8);
  const path = join(folder, "base", "metrics.jsonl");
  appendFileSync(path, '{"step":9,"lo');
  await write(5, 10);
  const lines = readMetrics(path);
  expect(lines.map((m) => m.step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(lines.map((m) => m.lr)).toEqual([0, 0, 0, 0, 0, 5, 5, 5, 5, 5]);
  const heldOut = readRun(folder).stages[0]?.heldOut;
  expect(heldOut?.map((h) => h.losses.web)).toEqual([0, 0, 0, 0, 0, 5, 5, 5, 5, 5]);
  // Started anew in the same folder.
  await write(0, 2);
  expect(readMetrics(path).map((m) => m.step)).toEqual([1, 2]);
});

test("runs are found by name; a dead process is not a running one", async () => {
  const root = temporary();
  recordRun(join(root, "runs", "first"), "running");
  expect(readRun(join(root, "runs", "first"))).toMatchObject({ status: "running", alive: true });
  recordRun(join(root, "runs", "first"), "done");
  expect(findRun(root, "first").status).toBe("done");
  const child = spawn(process.execPath, ["-e", ""]);
  await new Promise((done) => child.once("exit", done));
  mkdirSync(join(root, "runs", "second"));
  const record = {
    schema: "llmp.run/1",
    name: "second",
    pid: child.pid,
    host: hostname(),
    started: "2026-01-01T00:00:00Z",
    status: "running",
  };
  writeFileSync(join(root, "runs", "second", "run.json"), JSON.stringify(record));
  expect(findRun(root, "second").status).toBe("killed");
  // The number may be another process's by now.
  writeFileSync(
    join(root, "runs", "second", "run.json"),
    JSON.stringify({ ...record, pid: process.pid, processStart: "1" }),
  );
  expect(findRun(root, "second").status).toBe(process.platform === "linux" ? "killed" : "running");
  expect(runFolders(root)).toHaveLength(2);
  expect(() => findRun(root, "secnd")).toThrow(/LLMP6401/);
});
