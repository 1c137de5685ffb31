/** The language server; `types.ts` is what its analysis threads speak. */
export { type ServerOptions, serve } from "./server.js";
