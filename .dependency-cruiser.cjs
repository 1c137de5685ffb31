/** The one direction of flow (docs/ARCHITECTURE.md). A file imports lower layers and its own folder; other folders only by their front door. */
const doors = "/(index|ast|pipeline|graph|plan|types|fields)\\.ts$";
module.exports = {
  forbidden: [
    {
      name: "no-circles",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["dynamic-import"] } },
    },
    {
      name: "L0-bottom",
      severity: "error",
      from: { path: "^src/(text|units)/" },
      to: { path: "^src/(?!text/|units/)" },
    },
    {
      name: "L1-diagnostics",
      severity: "error",
      from: { path: "^src/diagnostics/" },
      to: { path: "^src/(?!diagnostics/|text/|units/)" },
    },
    {
      name: "L2",
      severity: "error",
      from: { path: "^src/(parser|hardware|catalog)/" },
      to: { path: "^src/(?!parser/|hardware/|catalog/|diagnostics/|text/|units/)" },
    },
    {
      name: "L3-schema",
      severity: "error",
      from: { path: "^src/schema/" },
      to: { path: "^src/(checker|model|planner|runtime|emit|report|lsp|studio|cli)/" },
    },
    {
      name: "L4-checker",
      severity: "error",
      from: { path: "^src/checker/" },
      to: { path: "^src/(model|planner|runtime|emit|report|lsp|studio|cli)/" },
    },
    {
      name: "L5-model",
      severity: "error",
      from: { path: "^src/model/" },
      to: { path: "^src/(planner|runtime|emit|report|lsp|studio|cli)/" },
    },
    {
      name: "L5a-import",
      severity: "error",
      from: { path: "^src/import/" },
      to: { path: "^src/(planner|program|runtime|emit|report|lsp|cli)/" },
    },
    {
      name: "L5b-program",
      severity: "error",
      // Only types of the planner: a plan says what to recompute.
      from: { path: "^src/program/" },
      to: { path: "^src/(planner/(?!plan\\.ts$)|runtime|emit|report|lsp|studio|cli)" },
    },
    {
      name: "L6-planner",
      severity: "error",
      from: { path: "^src/planner/" },
      to: { path: "^src/(runtime|emit|report|lsp|studio|cli)/" },
    },
    {
      name: "L7-consumers",
      severity: "error",
      from: { path: "^src/(runtime|emit|report)/" },
      to: { path: "^src/(lsp|studio|cli)/" },
    },
    {
      name: "siblings-L2",
      severity: "error",
      from: { path: "^src/(parser|hardware|catalog)/" },
      to: { path: "^src/(parser|hardware|catalog)/", pathNot: "^src/$1/" },
    },
    {
      name: "siblings-L7",
      severity: "error",
      from: { path: "^src/(runtime|emit|report)/" },
      to: { path: "^src/(runtime|emit|report)/", pathNot: "^src/$1/" },
    },
    {
      name: "siblings-L8",
      severity: "error",
      // The command line starts the other two; they know neither it nor each other.
      from: { path: "^src/(lsp|studio)/" },
      to: { path: "^src/(lsp|studio|cli)/", pathNot: "^src/$1/" },
    },
    {
      name: "front-door",
      severity: "error",
      from: { path: "^src/([^/]+)/" },
      to: { path: "^src/([^/]+)/", pathNot: ["^src/$1/", doors, "^src/units/", "^src/report/terminal/", "^src/text/"] },
    },
    {
      name: "core-writes-nothing",
      severity: "error",
      from: { path: "^src/(?!runtime/|cli/|lsp/|studio/|files/)" },
      to: { path: "^src/files/" },
    },
    {
      name: "files-is-a-leaf",
      severity: "error",
      from: { path: "^src/files/" },
      to: { path: "^src/(?!files/)" },
    },
    {
      name: "core-is-pure",
      severity: "error",
      from: {
        path: "^src/(text|units|diagnostics|parser|hardware|catalog|schema|checker|model|import|program|planner|report)/",
      },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "tensorflow-only-in-runtime",
      severity: "error",
      from: { pathNot: "^src/runtime/" },
      to: { path: "node_modules/@tensorflow" },
    },
    {
      name: "ts-morph-only-in-emit",
      severity: "error",
      from: { pathNot: "^src/emit/typescript/" },
      to: { path: "node_modules/ts-morph" },
    },
    {
      name: "aws-only-at-the-edge",
      severity: "error",
      from: { pathNot: "^src/(emit|runtime|cli)/" },
      to: { path: "node_modules/@aws-sdk" },
    },
    {
      name: "chevrotain-only-in-parser",
      severity: "error",
      from: { pathNot: "^src/parser/" },
      to: { path: "node_modules/chevrotain" },
    },
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { extensions: [".ts", ".js", ".json"], conditionNames: ["import", "node", "default"] },
    exclude: { path: "\\.test\\.ts$" },
  },
};
