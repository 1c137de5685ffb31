/** LLMP6001: the WASM heap refuses what it cannot hold, before anything is overwritten. */
import { expect, it } from "vitest";
import { startBackend } from "../../src/runtime/backend/index.js";

it("LLMP6001: more than one piece may be, and more than there is", async () => {
  const { algebra } = await startBackend("wasm");
  const full = expect.objectContaining({ diagnostic: expect.objectContaining({ code: "LLMP6001" }) });
  expect(() => algebra.zeros([2 ** 29])).toThrow(full);
});
