/** Compiles kernels/*.ts (AssemblyScript) into src/runtime/kernels/module.ts; `--check` only compares. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const root = fileURLToPath(new URL("..", import.meta.url));
const target = `${root}src/runtime/kernels/module.ts`;

export async function compileKernels() {
  let binary;
  let text = "";
  const { error, stderr } = await asc.main(
    [
      "index.ts",
      ...["--baseDir", `${root}kernels`, "--outFile", "kernels.wasm", "--textFile", "kernels.wat"],
      ...["-O3", "--noAssert", "--runtime", "stub", "--importMemory", "--enable", "simd", "--disableWarning", "112"],
      ...["--initialMemory", "1", "--maximumMemory", "65536"],
    ],
    {
      readFile: (name, base) => {
        try {
          return readFileSync(`${base}/${name}`, "utf8");
        } catch {
          return null;
        }
      },
      writeFile: (name, contents) => {
        if (name.endsWith(".wasm")) binary = contents;
        else text = contents;
      },
    },
  );
  if (error) throw new Error(`${error.message}\n${stderr.toString()}`);
  // A data segment would overwrite what tfjs-wasm keeps in its memory.
  if (/\(data /.test(text)) throw new Error("the kernels must not have data of their own");
  const base64 = Buffer.from(binary).toString("base64");
  return `/** Compiled from kernels/*.ts by scripts/kernels.mjs: ${binary.length} bytes. Not to be edited. */\nexport const kernelModule =\n  "${base64}";\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const source = await compileKernels();
  if (process.argv.includes("--check")) {
    if (readFileSync(target, "utf8") !== source) {
      console.error("src/runtime/kernels/module.ts is out of date: node scripts/kernels.mjs");
      process.exitCode = 1;
    }
  } else {
    writeFileSync(target, source);
  }
}
