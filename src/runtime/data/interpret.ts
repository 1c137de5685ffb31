/** A row becomes a sample: which columns hold what, what is learned of it. */
import type { Dataset } from "../../checker/pipeline.js";
import { type ChatMessage, type ChatRenderer, encodeParts, type TextTokenizer } from "../tokenizer/index.js";
import type { Sample, SampleKind } from "./types.js";

type Value = Readonly<Record<string, unknown>>;

/** Why a row cannot be used; caught by whoever counts bad rows. */
export class RowFault extends Error {}

const bad = (why: string): never => {
  throw new RowFault(why);
};

const textColumns = ["text", "content", "document", "body"];
const promptColumns = ["prompt", "question", "instruction", "input"];
const completionColumns = ["completion", "response", "output", "answer"];
const messageColumns = ["messages", "conversations", "conversation"];
const answerColumns = ["answer", "solution", "target", "label"];

const firstOf = (row: Value, declared: string | undefined, usual: readonly string[]): string | undefined =>
  declared ?? usual.find((name) => row[name] !== undefined && row[name] !== null);

/** The shape of a row that suits an objective best. `kinds` are in order of preference. */
export function kindOf(row: Value, dataset: Dataset, kinds: readonly SampleKind[]): SampleKind | undefined {
  const has = (declared: { value: string } | undefined, usual: readonly string[]) =>
    declared !== undefined || usual.some((name) => row[name] !== undefined && row[name] !== null);
  const format = dataset.format.value;
  const able: Record<SampleKind, boolean> = {
    preference: has(dataset.chosen, ["chosen"]) && has(dataset.rejected, ["rejected"]),
    completion:
      has(dataset.messages, messageColumns) ||
      (has(dataset.prompt, promptColumns) && has(dataset.completion, completionColumns)),
    prompts: has(dataset.prompt, promptColumns) || has(dataset.messages, messageColumns),
    text: has(dataset.field, textColumns),
  };
  if (format === "preference" && kinds.includes("preference")) return "preference";
  if (format === "prompts" && kinds.includes("prompts")) return "prompts";
  return kinds.find((kind) => able[kind]);
}

export interface InterpretContext {
  readonly dataset: Dataset;
  readonly tokenizer: TextTokenizer;
  readonly chat: () => ChatRenderer;
  readonly completionsOnly: boolean;
}

export function interpret(row: Value, kind: SampleKind, context: InterpretContext): Sample {
  if (kind === "text")
    return { sequences: [{ ids: ended(context, context.tokenizer.encode(plainText(row, context))) }] };
  if (kind === "completion") return { sequences: [completion(row, context)] };
  if (kind === "preference") return preference(row, context);
  const { dataset } = context;
  const answerColumn = firstOf(row, dataset.answer?.value, answerColumns);
  const answer = answerColumn === undefined ? "" : row[answerColumn];
  if (answer === undefined || answer === null) bad(`has no \`${answerColumn}\``);
  const ids = context.tokenizer.encode(promptText(row, context));
  if (ids.length === 0) bad("has an empty prompt");
  return { sequences: [{ ids }], answer: typeof answer === "string" ? answer : JSON.stringify(answer, plainNumbers) };
}

/** Parquet integers arrive as BigInt. */
const plainNumbers = (_: string, value: unknown) => (typeof value === "bigint" ? Number(value) : value);

function plainText(row: Value, { dataset }: InterpretContext): string {
  const column = firstOf(row, dataset.field?.value, textColumns) ?? "text";
  const text = row[column];
  if (text === undefined || text === null) bad(`has no \`${column}\``);
  if (typeof text !== "string") bad(`\`${column}\` is not text`);
  if (text === "") bad(`\`${column}\` is empty`);
  return text as string;
}

function ended({ tokenizer }: InterpretContext, ids: ArrayLike<number>): number[] {
  const out = Array.from(ids);
  if (tokenizer.endOfText !== undefined && out[out.length - 1] !== tokenizer.endOfText) out.push(tokenizer.endOfText);
  return out;
}

function completion(row: Value, context: InterpretContext): { ids: number[]; mask: number[] } {
  const { dataset, tokenizer, completionsOnly } = context;
  const messageColumn = firstOf(row, dataset.messages?.value, messageColumns);
  const useMessages = dataset.messages !== undefined || (messageColumn !== undefined && dataset.prompt === undefined);
  if (useMessages && messageColumn !== undefined) {
    const messages = messagesOf(row[messageColumn], messageColumn);
    if (!messages.some((m) => m.role === "assistant")) bad("has no assistant message");
    const { ids, mask } = encodeParts(tokenizer, context.chat().parts(messages));
    return { ids, mask: completionsOnly ? mask : mask.map(() => 1) };
  }
  const column = firstOf(row, dataset.completion?.value, completionColumns) ?? "completion";
  const said = row[column];
  if (typeof said !== "string" || said === "") bad(`\`${column}\` is ${said === "" ? "empty" : "not text"}`);
  const prompt = tokenizer.encode(promptText(row, context));
  const ids = ended(context, [...prompt, ...tokenizer.encode(said as string)]);
  return { ids, mask: ids.map((_, i) => (i < prompt.length && completionsOnly ? 0 : 1)) };
}

/** The prompt as text: as it is, or a conversation rendered up to where the assistant speaks. */
function promptText(row: Value, context: InterpretContext): string {
  const { dataset, chat } = context;
  const column =
    firstOf(row, dataset.prompt?.value ?? dataset.messages?.value, [...promptColumns, ...messageColumns]) ?? "prompt";
  const prompt = row[column];
  if (typeof prompt === "string") return prompt;
  if (Array.isArray(prompt)) {
    const messages = messagesOf(prompt, column);
    const last = messages[messages.length - 1];
    return chat().render(last?.role === "assistant" ? messages.slice(0, -1) : messages, { generationPrompt: true });
  }
  return bad(
    prompt === undefined || prompt === null ? `has no \`${column}\`` : `\`${column}\` is neither text nor messages`,
  );
}

function preference(row: Value, context: InterpretContext): Sample {
  const { dataset, tokenizer, chat } = context;
  const chosen = dataset.chosen?.value ?? "chosen";
  const rejected = dataset.rejected?.value ?? "rejected";
  const promptColumn = firstOf(row, dataset.prompt?.value, promptColumns);
  const one = (column: string) => {
    const value = row[column];
    if (typeof value === "string") {
      const prompt = promptColumn === undefined ? new Int32Array() : tokenizer.encode(promptText(row, context));
      const ids = ended(context, [...prompt, ...tokenizer.encode(value)]);
      return { ids, mask: ids.map((_, i) => (i < prompt.length ? 0 : 1)) };
    }
    if (!Array.isArray(value)) return bad(`\`${column}\` is neither text nor messages`);
    const before =
      promptColumn !== undefined && Array.isArray(row[promptColumn]) ? messagesOf(row[promptColumn], promptColumn) : [];
    const parts = chat().parts([...before, ...messagesOf(value, column)]);
    // Only the last turn is compared: earlier ones are the same in both.
    const last = parts.reduce((at, part, i) => (part.train ? i : at), -1);
    return encodeParts(
      tokenizer,
      parts.map((part, i) => ({ ...part, train: part.train && i === last })),
    );
  };
  const sequences = [one(chosen), one(rejected)];
  if (sequences.some((s) => !s.mask.includes(1))) bad("has an empty answer");
  return { sequences };
}

/** `{role, content}` or ShareGPT's `{from, value}`. */
function messagesOf(value: unknown, column: string): ChatMessage[] {
  const list = typeof value === "string" && value.startsWith("[") ? safeJson(value) : value;
  if (!Array.isArray(list) || list.length === 0) bad(`\`${column}\` is not a list of messages`);
  const roles: Record<string, string> = { human: "user", gpt: "assistant", bot: "assistant" };
  return (list as readonly unknown[]).map((entry, i) => {
    const m = (entry ?? {}) as Record<string, unknown>;
    const role = m.role ?? m.from;
    const content = m.content ?? m.value;
    if (typeof role !== "string" || typeof content !== "string")
      return bad(`message ${i + 1} of \`${column}\` has no role or no content`);
    return { ...m, role: roles[role] ?? role, content };
  });
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
