/** WebGPU into the user's cache: Dawn's binding and TensorFlow.js's backend on it, both from npm, without install scripts. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeAdapter, type GpuAdapterInfo, type Installed, noAdapter, webgpuDrivers } from "../backend/index.js";
import { cannotInstall, type Installing, tool } from "./tools.js";

/** 0.6.2 is what was tested; it runs on glibc 2.34 or later. */
export const versions = {
  webgpu: "0.6.2",
  "@tensorflow/tfjs-core": "4.22.0",
  "@tensorflow/tfjs-backend-webgpu": "4.22.0",
};

/** Multiplies two matrices in a process of its own; its last line says what it ran on. */
const probe = `
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
const require = createRequire(process.argv[1]);
const { create, globals } = await import(pathToFileURL(require.resolve("webgpu")).href);
Object.assign(globalThis, globals);
const gpu = create([]);
const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
let product;
if (adapter !== null) {
  Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "node" }, configurable: true });
  const tf = require("@tensorflow/tfjs-core");
  require("@tensorflow/tfjs-backend-webgpu");
  await tf.setBackend("webgpu");
  const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
  product = [...(await tf.matMul(x, x).data())];
}
const { vendor, architecture, device, description, isFallbackAdapter } = adapter?.info ?? {};
console.log(JSON.stringify({ info: adapter && { vendor, architecture, device, description, isFallbackAdapter }, product }));
process.exit(0);
`;

interface Probed {
  readonly info: GpuAdapterInfo | null;
  readonly product?: readonly number[];
}

/** Builds everything in `folder`. */
export async function buildWebgpu(
  job: Installing,
  folder: string,
): Promise<Pick<Installed, "versions" | "hardware" | "device">> {
  job.say(`downloading webgpu ${versions.webgpu} and @tensorflow/tfjs-backend-webgpu with npm (about 60 MB)`);
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  const packages = Object.entries(versions).map(([name, version]) => `${name}@${version}`);
  await tool(job, "npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", ...packages], {
    cwd: folder,
    what: "downloading webgpu",
    missing: "npm comes with Node",
  });
  // The package carries every platform's binding.
  const bindings = join(folder, "node_modules", "webgpu", "dist");
  const own = `${process.platform}-${process.platform === "darwin" ? "universal" : process.arch}`;
  for (const name of readdirSync(bindings))
    if (name !== own) rmSync(join(bindings, name), { recursive: true, force: true });

  const said = await tool(job, process.execPath, ["--input-type=module", "-e", probe, join(folder, "package.json")], {
    what: "a first product",
    missing: "",
  });
  const { info, product } = JSON.parse(said.trim().split("\n").at(-1)!) as Probed;
  if (info === null) cannotInstall(job, noAdapter, webgpuDrivers);
  if (product?.join() !== "7,10,15,22") cannotInstall(job, "it gives a wrong product");
  return {
    versions,
    device: describeAdapter(info),
    hardware: info.isFallbackAdapter !== true && !/swiftshader|software|llvmpipe/i.test(info.architecture),
  };
}
