/** `llmp plan --html` in a real browser: what a person sees, by eye, keyboard and screen reader. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { check } from "../../src/checker/index.js";
import { bundledHardware } from "../../src/hardware/index.js";
import { parse } from "../../src/parser/index.js";
import { plan } from "../../src/planner/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { renderHtml } from "../../src/report/html/index.js";
import { chromiumPath, launch, shoot } from "../browser.js";
import { root } from "../built.js";

/** 405 B parameters, a pipeline of several stages. */
const large = `import "std/llama3"
dataset web { source = "s3://corpus/web/*.parquet", field = "text", tokens = 15T }
model m: llama3_1_405b { context_length = 8Ki }
cluster c { provider = sagemaker, instance = ml.p5.48xlarge, count = 128 | 256, region = "us-east-1" }
train base {
  objective = pretrain
  model     = m
  data      = web
  tokens    = 200B
  batch     = 1024 sequences
  parallel  = { tensor = 8, pipeline = 8 | 16, context = 1 }
  on        = c
  save      = every 30min
}
`;
const hostile = `import "std/gpt2"
dataset d { source = "x.txt", field = "</title><script>window.hit=1</script>", tokens = 1B }
train t { objective = pretrain, model = gpt2, data = d, steps = 10, batch = 8 sequences }
`;

function planText(text: string, file = "main.llmp"): Plan {
  const { value: ast } = parse({ path: file, text });
  const read = (name: string): string | undefined =>
    name.startsWith("std/") ? readFileSync(path.join(root, name), "utf8") : text;
  const checked = check(ast, { read, glob: () => ["x.txt"], size: () => 1e9 });
  if (checked.value === undefined) throw new Error(checked.diagnostics.map((d) => d.message).join("; "));
  const made = plan(checked.value, bundledHardware());
  if (made.value === undefined) throw new Error(made.diagnostics.map((d) => d.message).join("; "));
  return made.value;
}

/** A second point on the front of time and cost: whether this problem has one is the planner's affair. */
function withFront(given: Plan): Plan {
  const [stage] = given.stages;
  const point = stage?.pareto.find((p) => p.chosen);
  if (stage === undefined || point === undefined) throw new Error("no front");
  const slower = { ...point, chosen: false, total_seconds: point.total_seconds * 1.9, usd: (point.usd ?? 0) * 0.9 };
  return { ...given, stages: [{ ...stage, pareto: [point, slower] }] };
}

const folder = mkdtempSync(path.join(tmpdir(), "llmp-report-"));
const file = path.join(folder, "plan.html");
let made: Plan;
let text = "";
beforeAll(async () => {
  made = withFront(planText(large));
  text = await renderHtml(made);
  writeFileSync(file, text);
});
afterAll(() => rmSync(folder, { recursive: true }));

test("one file, small, with no address in it that would be fetched", () => {
  expect(made.stages[0]?.parallel.pipeline).toBeGreaterThan(1);
  expect(statSync(file).size).toBeLessThan(1.5 * 2 ** 20);
  expect(text.replaceAll("http://www.w3.org/", "")).not.toMatch(/(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?\/\//);
});

test("text from the file is never markup", async () => {
  const evil = planText(hostile, '<img src=x onerror="window.hit=1">.llmp');
  const page = await renderHtml(evil);
  expect(page).not.toContain("<img");
  expect(page).not.toContain("<script>window.hit");
});

/** The entry may come after the page has loaded. */
const firstPaint = `new Promise((done) => new PerformanceObserver((list) => {
  for (const e of list.getEntriesByName("first-contentful-paint")) done(e.startTime);
}).observe({ type: "paint", buffered: true }))`;

describe.skipIf(chromiumPath === undefined)("in Chromium", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());

  const open = async (colorScheme: "light" | "dark", width: number): Promise<Page> => {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const asked: string[] = [];
    page.on("request", (r) => asked.push(r.url()));
    page.on("pageerror", (e) => asked.push(String(e)));
    await page.goto(pathToFileURL(file).href);
    expect(asked).toEqual([pathToFileURL(file).href]);
    return page;
  };

  test.each(["light", "dark"] as const)(
    "%s: no accessibility violation, first paint within a second",
    async (scheme) => {
      const page = await open(scheme, 1000);
      // The best of three loads: other processes share the machine.
      let paint = await page.evaluate<number>(firstPaint);
      for (let i = 0; i < 2 && paint >= 1000; i++) {
        await page.reload();
        paint = Math.min(paint, await page.evaluate<number>(firstPaint));
      }
      expect(paint).toBeLessThan(1000);
      const background = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
      expect(background).toBe(scheme === "light" ? "rgb(255, 255, 255)" : "rgb(13, 17, 23)");
      await page.addScriptTag({ path: createRequire(import.meta.url).resolve("axe-core/axe.min.js") });
      const violations = await page.evaluate(
        `axe.run(${scheme === "light" ? "" : '{ runOnly: ["color-contrast"] }'}).then((r) => r.violations.map((v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120))]))`,
      );
      expect(violations).toEqual([]);
      await shoot(page, `report-${scheme}`);
      await page.close();
    },
  );

  test("on a phone nothing is cut off, and only charts and tables scroll sideways", async () => {
    const page = await open("light", 390);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
    await shoot(page, "report-phone");
    await page.close();
  });

  test("all that the plan holds is there: every figure has its table", async () => {
    const page = await open("light", 1000);
    const titles = await page.locator("figcaption strong").allTextContents();
    expect(titles).toEqual([
      "Memory over one step",
      "Memory of every stage, warm-up of a step",
      "Peak by pipeline stage",
      "Where a step goes",
      "Pipeline schedule: warm-up",
      "Pipeline schedule: cool-down",
      "80% interval",
      "Time against cost",
      "Mesh on machines",
    ]);
    const [stage] = made.stages;
    if (stage === undefined) throw new Error("no stage");
    expect(await page.locator(".chart svg").first().getAttribute("aria-label")).toContain(stage.memory.peak_at);
    const rows = page.locator("table.tensors tbody tr:not(.group)");
    expect(await rows.count()).toBe(stage.layout.tensors.length);
    expect(await page.locator("svg.mesh rect:not(.node)").count()).toBe(Math.min(512, stage.cluster.accelerators));
    const decided = await page.locator("table.decisions tbody th").allTextContents();
    expect([...decided].sort()).toEqual(stage.decisions.map((d) => d.what).sort());
    await page.close();
  });

  test("pointer and arrow keys show what a mark says", async () => {
    const page = await open("light", 1000);
    const tip = page.locator("#tip");
    const pareto = page.locator('svg[aria-label^="Calendar time against cost"]');
    await pareto.locator("circle").first().hover();
    await expect.poll(() => tip.textContent()).toMatch(/\d+ × ml\.p5\.48xlarge · TP 8 .*\$/s);
    await page.mouse.move(0, 0);
    const gantt = page.locator('svg[aria-label^="Pipeline schedule: warm-up"]');
    await gantt.focus();
    await page.keyboard.press("ArrowRight");
    expect(await tip.textContent()).toMatch(/^stage 0: forward of micro-batch 0/);
    expect(await tip.isVisible()).toBe(true);
    await page.keyboard.press("End");
    expect(await tip.textContent()).toMatch(/^stage \d+: (forward|backward|weight)/);
    await page.keyboard.press("Escape");
    expect(await tip.isHidden()).toBe(true);
    // The whole page by Tab: every stop is visible, and there are few.
    const stops = await page.locator("a[href],summary,[tabindex='0']").count();
    expect(stops).toBeLessThan(60);
    await page.close();
  });
});
