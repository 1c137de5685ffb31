import { defineConfig } from "vitest/config";

/** `npm run test:engines`: the real engines and a mock of AWS, in Python environments kept in the user's cache folder. */
export default defineConfig({
  test: {
    include: ["test/engines/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    pool: "forks",
    // Installation and training use both cores by themselves.
    fileParallelism: false,
  },
});
