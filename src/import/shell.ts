/** Words of command lines in a shell script: assignments and arrays are put in where they are used. Nothing is run. */

/** `--key value`, `--key=value`, `--switch`; lists where several values follow. */
export function options(text: string): Record<string, string | boolean | readonly string[]> {
  const out: Record<string, string | boolean | readonly string[]> = {};
  let key: string | undefined;
  let values: string[] = [];
  const end = (): void => {
    if (key !== undefined) out[key] = values.length === 0 ? true : values.length === 1 ? (values[0] as string) : values;
    key = undefined;
    values = [];
  };
  for (const word of words(text)) {
    const [, name, value] = /^--([A-Za-z][\w.-]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
    if (name !== undefined) {
      end();
      key = name.replaceAll("-", "_");
      if (value !== undefined) values.push(value);
    } else if (/^(&&|\|\|?|;|\)|&|>.*|2>.*)$/.test(word) || (values.length > 0 && /\.py$/.test(word))) end();
    else if (key !== undefined) values.push(word);
  }
  end();
  return out;
}

const limit = 20_000;

/** Words in quotes stay whole; `\` at a line's end joins lines; comments are left out. */
export function words(text: string): readonly string[] {
  const joined = text
    .replace(/\\\r?\n/g, " ")
    .split("\n")
    .map((line) => line.replace(/(^|\s)#.*$/, ""))
    .join("\n");
  const variables = new Map<string, string>();
  for (const [, name = "", list, single, double, bare] of joined.matchAll(
    /^\s*(?:export\s+|local\s+|readonly\s+)?([A-Za-z_]\w*)=(?:\(([^)]*)\)|'([^']*)'|"([^"]*)"|(\S*))/gm,
  ))
    variables.set(name, list ?? single ?? double ?? bare ?? "");
  const body = joined.replace(
    /^\s*(?:export\s+|local\s+|readonly\s+)?[A-Za-z_]\w*=(?:\([^)]*\)|'[^']*'|"[^"]*"|\S*)\s*$/gm,
    "",
  );
  const put = (line: string, depth: number): string =>
    line.replace(
      /\$\{([A-Za-z_]\w*)(?:\[[@*]\])?(?::-([^}]*))?\}|\$([A-Za-z_]\w*)/g,
      (whole, braced, otherwise, plain) => {
        const value = variables.get(braced ?? plain) ?? otherwise;
        if (value === undefined || depth > 4) return whole;
        return put(value, depth + 1).slice(0, limit);
      },
    );
  const found = [
    ...put(body, 0)
      .slice(0, 50 * limit)
      .matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g),
  ];
  // A quoted array still holds several words.
  return found.flatMap(([, double, single, bare]) =>
    double !== undefined
      ? /(^|\s)--\w/.test(double)
        ? double.split(/\s+/).filter(Boolean)
        : [double]
      : [single ?? bare ?? ""],
  );
}
