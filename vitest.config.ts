import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    globalSetup: "test/build.ts",
    setupFiles: ["test/seed.ts"],
    include: ["test/**/*.test.ts", "src/**/*.test.ts"],
    // They install Python environments: npm run test:engines.
    exclude: ["test/engines/**", "**/node_modules/**"],
    // A machine without faster backends and without measured figures, whatever this user has.
    env: { LLMP_CACHE: join(tmpdir(), "llmp-test-cache") },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    // Two cores are the reference machine; more workers only make the timings of end-to-end runs worse.
    maxWorkers: 2,
  },
});
