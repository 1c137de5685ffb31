import { defineConfig } from "vitest/config";

/** `npm run test:engines`: the real engines and a mock of AWS, in Python environments kept in the user's cache folder. */
export default defineConfig({
  test: {
    globalSetup: "test/engines/setup.ts",
    include: ["test/engines/**/*.test.ts"],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: "forks",
    // Toy models are fastest on one thread; the other core is for another file.
    maxWorkers: 2,
    env: { OMP_NUM_THREADS: "1" },
  },
});
