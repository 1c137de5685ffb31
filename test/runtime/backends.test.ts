import { describe } from "vitest";
import { startBackend } from "../../src/runtime/backend/index.js";
import { contract } from "./contract.js";

// TensorFlow itself: native.test.ts.
describe("wasm", () => {
  contract(() => startBackend("wasm"));
});
describe("cpu", () => {
  contract(() => startBackend("cpu"));
});
