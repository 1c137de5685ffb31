/** YAML as anyone writes it: tags and directives that mean nothing here are let pass without a word on stderr. */
import { parse } from "yaml";

/** Throws at text that is not YAML. */
export const yaml = (text: string): unknown => parse(text, { merge: true, logLevel: "error" });
