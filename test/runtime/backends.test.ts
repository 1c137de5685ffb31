import { describe } from "vitest";
import { isAvailable, startBackend } from "../../src/runtime/backend/index.js";
import { contract } from "./contract.js";

describe("wasm", () => {
  contract(() => startBackend("wasm"));
});
describe("cpu", () => {
  contract(() => startBackend("cpu"));
});
describe.skipIf(!isAvailable("tensorflow"))("tensorflow", () => {
  contract(() => startBackend("tensorflow"));
});
