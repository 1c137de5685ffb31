import type { EngineCapabilities, EngineDescriptor } from "../../types.js";

/** What `capabilities/*.ts` say of an engine; `stacks/*.ts` add how fast it is. Read by the planner, the emitters and docs/ENGINES.md. */
export interface EngineProfile extends Pick<EngineDescriptor, "name" | "doc" | "versions" | "aliases"> {
  readonly can: EngineCapabilities;
  /** Capability → the engine's own key for it, for docs/ENGINES.md. */
  readonly keys: Readonly<Record<string, string>>;
}
