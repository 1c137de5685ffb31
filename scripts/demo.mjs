/** `npm run demo`: check, plan, train the shipped text on this machine, planned beside measured, and let it write. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const file = "examples/shakespeare.llmp";
const began = Date.now();

for (const args of [
  ["check", file],
  ["plan", file],
  ["run", file],
  ["sample", "examples/runs/shakespeare", "--prompt", "ROMEO:", "--tokens", "200", "--seed", "1"],
]) {
  console.error(`\n$ npx llmp ${args.join(" ")}`);
  const { status } = spawnSync(process.execPath, ["dist/llmp.js", ...args], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
console.error(`\n${Math.round((Date.now() - began) / 1000)} s in all`);
