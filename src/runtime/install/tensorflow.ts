/**
 * TensorFlow into the user's cache: its library out of PyPI's wheel, and the Node-API binding of @tensorflow/tfjs-node
 * compiled against it. (The package's own install script would download a TensorFlow of 2022.)
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { bindingFile } from "../backend/index.js";
import { cannotInstall, type Installing, tool } from "./tools.js";

/** Any of 2.15–2.19 has the C API that tfjs-node 4.22 calls; 2.19.1 was measured. */
export const versions = { tensorflow: "2.19.1", "@tensorflow/tfjs-node": "4.22.0", "node-api-headers": "1.9.0" };

const python = "install Python 3 with pip: it downloads TensorFlow";
const npm = "npm comes with Node";

/** Only the libraries and C headers of the wheel: Python is not needed to run. */
const unpack = `
import sys, zipfile
wheel, folder = sys.argv[1:3]
wanted = ("tensorflow/libtensorflow", "tensorflow/include/tensorflow/c/", "tensorflow/include/tensorflow/core/platform/",
          "tensorflow/include/tsl/platform/", "tensorflow/include/xla/tsl/")
with zipfile.ZipFile(wheel) as z:
    z.extractall(folder, [n for n in z.namelist() if n.startswith(wanted)])
`;

/** Multiplies two matrices in a process of its own; prints what it ran on. */
const probe = `
const b = require(process.argv[1]);
const x = b.createTensor([2, 2], 1, Float32Array.of(1, 2, 3, 4));
const flag = (name) => ({ name, type: b.TF_ATTR_BOOL, value: false });
const type = { name: "T", type: b.TF_ATTR_TYPE, value: 1 };
const [y] = b.executeOp("MatMul", [type, flag("transpose_a"), flag("transpose_b")], [x, x], 1);
if (b.tensorDataSync(y.id).join() !== "7,10,15,22") throw new Error("a wrong product");
console.log(b.isUsingGpuDevice ? "gpu" : "cpu", b.TF_Version);
`;

/** Builds everything in `folder`. @returns versions of what it holds */
export async function buildTensorflow(
  job: Installing,
  folder: string,
  gpu: boolean,
): Promise<Readonly<Record<string, string>>> {
  if (process.platform !== "linux")
    cannotInstall(job, `this recipe is for Linux, not ${process.platform}`, [
      "npm install @tensorflow/tfjs-node in your project: llmp finds its binding there",
    ]);
  const compiler = process.env.CXX ?? "g++";
  const compile = (args: readonly string[], what: string): Promise<string> =>
    tool(job, compiler, args, { what, missing: "install g++ (Debian: apt install g++), or name a compiler in CXX" });
  await compile(["--version"], "finding a C++ compiler");

  job.say(`downloading @tensorflow/tfjs-node ${versions["@tensorflow/tfjs-node"]} and Node's headers with npm`);
  for (const name of ["@tensorflow/tfjs-node", "node-api-headers"] as const) {
    const at = join(folder, name.split("/").at(-1)!);
    mkdirSync(at, { recursive: true });
    const packed = await tool(
      job,
      "npm",
      ["pack", "--silent", `${name}@${versions[name]}`, "--pack-destination", folder],
      { cwd: folder, what: `downloading ${name}`, missing: npm },
    );
    const archive = join(folder, packed.trim().split("\n").at(-1)!);
    await tool(job, "tar", ["-xzf", archive, "-C", at, "--strip-components=1"], {
      what: `unpacking ${name}`,
      missing: "install tar",
    });
    rmSync(archive);
  }

  const library = gpu ? await cudaLibrary(job, folder) : await cpuLibrary(job, folder);
  job.say("compiling the binding");
  const source = join(folder, "tfjs-node");
  const target = join(source, bindingFile);
  mkdirSync(dirname(target), { recursive: true });
  await compile(
    [
      ...["-std=c++17", "-O2", "-fPIC", "-shared"],
      ...["-DNAPI_VERSION=8", "-DNODE_GYP_MODULE_NAME=tfjs_binding", "-DBUILDING_NODE_EXTENSION"],
      ...[join(folder, "node-api-headers", "include"), join(folder, library, "include"), source].map((d) => `-I${d}`),
      ...["tfjs_backend.cc", "tfjs_binding.cc"].map((file) => join(source, "binding", file)),
      `-L${join(folder, library)}`,
      ...["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"],
      // Relative, so that the folder may move.
      `-Wl,-rpath,$ORIGIN/../../../${library}`,
      ...["-o", target],
    ],
    "compiling the binding",
  );
  const found = await tool(job, process.execPath, ["-e", probe, target], {
    what: "a first product",
    missing: "",
  });
  const device = found.trim().split("\n").at(-1)!;
  if (gpu && !device.startsWith("gpu"))
    cannotInstall(job, "TensorFlow finds no GPU here", ["nvidia-smi shows the driver"]);
  for (const rest of ["node-api-headers", join(library, "include")]) rmSync(join(folder, rest), { recursive: true });
  return versions;
}

async function cpuLibrary(job: Installing, folder: string): Promise<string> {
  // The plain package of ARM is without CUDA.
  const arm = process.arch === "arm64";
  const name = `${arm ? "tensorflow" : "tensorflow-cpu"}==${versions.tensorflow}`;
  job.say(`downloading ${name} with pip (about 250 MB)`);
  // Only the library is used, so any Python's wheel will do.
  const wheel = ["--platform", `manylinux_2_17_${arm ? "aarch64" : "x86_64"}`, "--python-version", "3.11"];
  await tool(
    job,
    "python3",
    ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", ...wheel, "--dest", folder, name],
    { what: "downloading TensorFlow", missing: python },
  );
  const file = join(folder, readdirSync(folder).find((f) => f.endsWith(".whl"))!);
  await tool(job, "python3", ["-c", unpack, file, folder], { what: "unpacking TensorFlow", missing: python });
  rmSync(file);
  return "tensorflow";
}

/** With NVIDIA's packages beside it, where TensorFlow looks for CUDA. */
async function cudaLibrary(job: Installing, folder: string): Promise<string> {
  const name = `tensorflow[and-cuda]==${versions.tensorflow}`;
  job.say(`downloading ${name} with pip (about 3 GB)`);
  await tool(
    job,
    "python3",
    ["-m", "pip", "install", "--quiet", "--no-compile", "--target", join(folder, "site"), name],
    { what: "downloading TensorFlow with CUDA", missing: python },
  );
  return join("site", "tensorflow");
}
