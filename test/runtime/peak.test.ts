import { randomPeaks } from "./peaks.js";

randomPeaks("wasm", 20);
