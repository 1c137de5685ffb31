/** Chat templates: which text a conversation becomes, and which of it the model should learn to say. */
import { Template } from "@huggingface/jinja";
import { runCodes } from "../../diagnostics/index.js";
import { fail } from "../failure.js";
import type { ChatMessage, ChatPart, TextTokenizer } from "./types.js";

/** ChatML, where a tokenizer brings no template. */
export const defaultChatTemplate =
  "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}" +
  "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

export interface ChatRenderer {
  render(messages: readonly ChatMessage[], options?: { readonly generationPrompt?: boolean }): string;
  /**
   * The conversation cut where the assistant begins and ends to speak: the text that follows the generation prompt, up
   * to and with what ends the turn, is learned. Fails where the template rewrites earlier turns (no common prefix).
   */
  parts(messages: readonly ChatMessage[]): readonly ChatPart[];
}

export function chatRenderer(tokenizer: TextTokenizer): ChatRenderer {
  const source = tokenizer.chatTemplate ?? defaultChatTemplate;
  let template: Template;
  try {
    template = new Template(source);
  } catch (error) {
    fail(runCodes.report("LLMP6102", undefined, { why: (error as Error).message }));
  }
  const name = (id: number | undefined) => (id === undefined ? "" : tokenizer.decode([id]));
  const globals = {
    bos_token: name(tokenizer.bos),
    eos_token: name(tokenizer.endOfText),
    pad_token: name(tokenizer.pad),
  };

  const render = (messages: readonly ChatMessage[], options: { generationPrompt?: boolean } = {}): string => {
    try {
      return template.render({
        ...globals,
        messages: messages.map((m) => ({ ...m })),
        add_generation_prompt: options.generationPrompt === true,
        tools: null,
      });
    } catch (error) {
      // The template's own `raise_exception`, or a mistake in it that shows at this conversation.
      return fail(runCodes.report("LLMP6102", undefined, { why: (error as Error).message }));
    }
  };

  const parts = (messages: readonly ChatMessage[]): readonly ChatPart[] => {
    const whole = render(messages);
    const out: ChatPart[] = [];
    let at = 0;
    messages.forEach((message, i) => {
      if (message.role !== "assistant") return;
      const before = render(messages.slice(0, i), { generationPrompt: true });
      const after = i === messages.length - 1 ? whole : render(messages.slice(0, i + 1));
      if (!whole.startsWith(before) || !whole.startsWith(after) || before.length < at)
        fail(
          runCodes.report("LLMP6102", undefined, {
            why: "an earlier turn is rendered differently once a later one follows",
          }),
        );
      if (before.length > at) out.push({ text: whole.slice(at, before.length), train: false });
      out.push({ text: whole.slice(before.length, after.length), train: true });
      at = after.length;
    });
    if (at < whole.length) out.push({ text: whole.slice(at), train: false });
    return out;
  };
  return { render, parts };
}

/** Token ids and, for each, whether it is learned. Parts are encoded one by one, as at inference. */
export function encodeParts(
  tokenizer: TextTokenizer,
  parts: readonly ChatPart[],
): { readonly ids: number[]; readonly mask: number[] } {
  const ids: number[] = [];
  const mask: number[] = [];
  for (const part of parts) {
    const encoded = tokenizer.encode(part.text);
    for (const id of encoded) {
      ids.push(id);
      mask.push(part.train ? 1 : 0);
    }
  }
  return { ids, mask };
}
