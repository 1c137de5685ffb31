import { Argument, Command } from "commander";
import { examples } from "../help.js";
import { answer } from "../output.js";
import { commands } from "../table.js";

const shells = ["bash", "zsh", "fish", "powershell"] as const;

export function command(): Command {
  return examples(
    new Command("completion")
      .description("Print a script that completes commands, options and values in a shell")
      .addArgument(new Argument("<shell>", "which shell").choices(shells))
      .action(async (shell: (typeof shells)[number]) => {
        answer(scripts[shell](await tree()));
      }),
    [
      "llmp completion bash > ~/.local/share/bash-completion/completions/llmp",
      "llmp completion fish > ~/.config/fish/completions/llmp.fish",
    ],
  );
}

interface Option {
  readonly flag: string;
  readonly doc: string;
  readonly values: readonly string[];
}
interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly Option[];
  /** Words that stand as arguments. */
  readonly words: readonly string[];
}

/** What stands where any text may: no list to choose from, but one to complete by. */
async function known(): Promise<{
  readonly options: Readonly<Record<string, readonly string[]>>;
  readonly words: Readonly<Record<string, readonly string[]>>;
}> {
  const [{ backendNames }, { emitters }, { allCodes }, { listing }] = await Promise.all([
    import("../../runtime/backend/index.js"),
    import("../../emit/index.js"),
    import("../../diagnostics/index.js"),
    import("../things.js"),
  ]);
  const names = (kind: "instances" | "models"): readonly string[] => listing(kind).map((row) => row.name);
  return {
    options: { "--backend": backendNames, "--instance": names("instances"), "--model": names("models") },
    words: { emit: emitters.map((e) => e.name), explain: Object.keys(allCodes) },
  };
}

async function tree(): Promise<readonly Verb[]> {
  const verbs: Verb[] = [];
  const { options, words } = await known();
  for (const row of commands) {
    const command = row.name === "completion" ? undefined : (await row.load()).command();
    verbs.push({
      name: row.name,
      summary: row.summary,
      options: (command?.options ?? []).flatMap((o) =>
        o.long === undefined
          ? []
          : [{ flag: o.long as string, doc: o.description, values: o.argChoices ?? options[o.long] ?? [] }],
      ),
      words:
        row.name === "completion"
          ? shells
          : [
              ...(command?.commands.map((c) => c.name()) ?? []),
              ...(command?.registeredArguments.flatMap((a) => a.argChoices ?? []) ?? []),
              ...(words[row.name] ?? []),
            ],
    });
  }
  return verbs;
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const scripts: Record<(typeof shells)[number], (verbs: readonly Verb[]) => string> = {
  bash: (verbs) => `# llmp completion for bash
_llmp() {
  local cur prev verb
  cur="\${COMP_WORDS[COMP_CWORD]}"
  prev="\${COMP_WORDS[COMP_CWORD-1]}"
  verb="\${COMP_WORDS[1]}"
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=( $(compgen -W ${quote(verbs.map((v) => v.name).join(" "))} -- "$cur") )
    return
  fi
  case "$verb $prev" in
${verbs
  .flatMap((v) =>
    v.options
      .filter((o) => o.values.length > 0)
      .map(
        (o) =>
          `    ${quote(`${v.name} ${o.flag}`)}) COMPREPLY=( $(compgen -W ${quote(o.values.join(" "))} -- "$cur") ); return ;;`,
      ),
  )
  .join("\n")}
  esac
  case "$verb" in
${verbs
  .map(
    (v) =>
      `    ${v.name}) COMPREPLY=( $(compgen -W ${quote([...v.options.map((o) => o.flag), ...v.words].join(" "))} -- "$cur") ) ;;`,
  )
  .join("\n")}
  esac
  [[ "$cur" == -* ]] || COMPREPLY+=( $(compgen -f -X '!*.llmp' -- "$cur") $(compgen -d -- "$cur") )
}
complete -o filenames -F _llmp llmp
`,
  zsh: (verbs) => `#compdef llmp
_llmp() {
  local -a verbs
  verbs=(
${verbs.map((v) => `    ${quote(`${v.name}:${v.summary.replaceAll(":", "\\:")}`)}`).join("\n")}
  )
  if (( CURRENT == 2 )); then _describe 'command' verbs; return; fi
  case "$words[2]" in
${verbs
  .map((v) => {
    const plain = (s: string): string => s.replace(/[[\]:]/g, "\\$&");
    const options = v.options.map((o) =>
      quote(`${o.flag}[${plain(o.doc)}]${o.values.length > 0 ? `:value:(${o.values.join(" ")})` : ""}`),
    );
    const file = '_files -g "*.llmp"';
    const rest = quote(
      v.words.length > 0
        ? `*:word or file:{_alternative "words:word:(${v.words.join(" ")})" "files:file:${file.replaceAll('"', '\\"')}"}`
        : `*:file:${file}`,
    );
    return `    ${v.name}) shift words; (( CURRENT-- )); _arguments ${[...options, rest].join(" ")} ;;`;
  })
  .join("\n")}
  esac
}
compdef _llmp llmp
`,
  fish: (verbs) =>
    `# llmp completion for fish
${verbs
  .flatMap((v) => [
    `complete -c llmp -n __fish_use_subcommand -a ${v.name} -d ${quote(v.summary)}`,
    ...v.options.map(
      (o) =>
        `complete -c llmp -n ${quote(`__fish_seen_subcommand_from ${v.name}`)} -l ${o.flag.slice(2)} -d ${quote(o.doc)}${o.values.length > 0 ? ` -xa ${quote(o.values.join(" "))}` : ""}`,
    ),
    ...(v.words.length > 0
      ? [`complete -c llmp -n ${quote(`__fish_seen_subcommand_from ${v.name}`)} -a ${quote(v.words.join(" "))}`]
      : []),
  ])
  .join("\n")}
`,
  powershell: (verbs) => `# llmp completion for PowerShell
Register-ArgumentCompleter -Native -CommandName llmp -ScriptBlock {
  param($word, $ast, $cursor)
  $table = @{
${verbs.map((v) => `    '${v.name}' = @(${[...v.options.map((o) => o.flag), ...v.words].map((w) => `'${w}'`).join(", ")})`).join("\n")}
  }
  $values = @{
${verbs.flatMap((v) => v.options.filter((o) => o.values.length > 0).map((o) => `    '${v.name} ${o.flag}' = @(${o.values.map((w) => `'${w}'`).join(", ")})`)).join("\n")}
  }
  $words = @($ast.CommandElements | ForEach-Object { $_.ToString() })
  $before = if ($word -eq '') { $words[-1] } else { $words[-2] }
  $list = if ($words.Count -lt 2 -or ($words.Count -eq 2 -and $word -ne '')) { $table.Keys }
    elseif ($values.ContainsKey("$($words[1]) $before")) { $values["$($words[1]) $before"] }
    else { $table[$words[1]] }
  $list | Where-Object { $_ -like "$word*" } | Sort-Object | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
}
`,
};
