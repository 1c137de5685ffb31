/** Headless Chromium for tests, where this machine has one. */
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { root } from "./built.js";

const places = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

export const chromiumPath: string | undefined = places.find((p) => p !== undefined && existsSync(p));

/** Printed once by tests that are left out. */
export const whyNot =
  "no Chromium here: install the `chromium` package, or name one in the environment variable CHROMIUM";
if (chromiumPath === undefined) console.warn(`skipped: ${whyNot}`);

export const launch = (): Promise<Browser> =>
  // Containers have no user namespaces for Chromium's sandbox; only pages of our own are opened.
  chromium.launch({ executablePath: chromiumPath ?? "", args: ["--no-sandbox"] });

/** For people to look at: `.cache/screenshots/NAME.png`. */
export async function shoot(page: Page, name: string): Promise<void> {
  const folder = path.join(root, ".cache/screenshots");
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}
