export { type Cell, ComposedAlgebra } from "./algebra.js";
