/** A local page beside the editor: plans anew whenever the file is saved. */
export { type Compiled, type Studio, type StudioOptions, startStudio } from "./server.js";
