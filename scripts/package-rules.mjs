/** What the archive that users install may hold and must hold; paths inside it. */
const due = [
  "dist/llmp.js",
  "dist/index.js",
  "dist/core.js",
  "dist/types/index.d.ts",
  "dist/types/core.d.ts",
  "std/llama3.llmp",
  "examples/shakespeare.llmp",
  "grammar/plan.schema.json",
  "README.md",
  "LICENSE",
  "package.json",
];

/** What is wrong with a list of files; nothing: an empty list. */
export function misplaced(files) {
  const stray = files.filter(
    (f) =>
      !/^(dist|std|examples|grammar)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(f) ||
      /\.(test|map)\b|runs\//.test(f),
  );
  return [
    ...stray.map((f) => `${f} is not for users`),
    ...due.filter((f) => !files.includes(f)).map((f) => `${f} is missing`),
  ];
}
