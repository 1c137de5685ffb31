/**
 * Bundles editors/vscode into `editors/vscode/llmp-<version>.vsix`: `npm run vsix`. A .vsix is a zip with two manifests of its own;
 * Microsoft's packager needs a newer Node than this project supports and brings 200 packages, so it is written here.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { strToU8, zipSync } from "fflate";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const source = path.join(root, "editors/vscode");
const manifest = {
  ...JSON.parse(readFileSync(path.join(source, "package.json"), "utf8")),
  version: JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")).version,
};

const bundle = await build({
  entryPoints: [path.join(source, "src/extension.ts")],
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["vscode"],
  minify: true,
  write: false,
  legalComments: "none",
  logLevel: "warning",
});

const files = {
  "package.json": json(manifest),
  "extension.js": bundle.outputFiles[0].contents,
  "language-configuration.json": read("editors/vscode/language-configuration.json"),
  "llmp.tmLanguage.json": read("grammar/llmp.tmLanguage.json"),
  "snippets.json": json(await snippets()),
  "readme.md": read("editors/vscode/README.md"),
  "images/plan.png": read("editors/vscode/images/plan.png"),
  "LICENSE.txt": read("LICENSE"),
};
const types = {
  json: "application/json",
  js: "application/javascript",
  md: "text/markdown",
  png: "image/png",
  txt: "text/plain",
  vsixmanifest: "text/xml",
};
const archive = zipSync(
  Object.fromEntries([
    ["extension.vsixmanifest", [strToU8(vsixManifest()), entry()]],
    ["[Content_Types].xml", [strToU8(contentTypes()), entry()]],
    ...Object.entries(files).map(([name, data]) => [`extension/${name}`, [data, entry()]]),
  ]),
);
const target = path.join(source, `llmp-${manifest.version}.vsix`);
writeFileSync(`${target}.part`, archive);
renameSync(`${target}.part`, target);
console.log(`${path.relative(process.cwd(), target)}  ${(archive.length / 1024).toFixed(0)} KiB`);

/** The same bytes for the same sources. */
function entry() {
  return { level: 9, mtime: new Date(1980, 0, 1) };
}
function read(file) {
  return new Uint8Array(readFileSync(path.join(root, file)));
}
function json(value) {
  return strToU8(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** One for every block, from the schema table: its example with the values to fill in. */
async function snippets() {
  const folder = path.join(root, "node_modules/.cache");
  mkdirSync(folder, { recursive: true });
  const out = path.join(folder, "vsix-schema.mjs");
  await build({
    entryPoints: [path.join(root, "src/schema/index.ts")],
    outfile: out,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
  });
  const { blocks } = await import(pathToFileURL(out).href);
  if (existsSync(out)) rmSync(out);
  const safe = (text) => text.replace(/[\\$}]/g, (c) => `\\${c}`);
  const placeholders = (example) => {
    let n = 0;
    return example.split("\n").map((line) => {
      const pair = /^(\s*\w+\s*[=<]\s*)(.+)$/.exec(line);
      return pair === null ? safe(line) : `${pair[1]}\${${++n}:${safe(pair[2])}}`;
    });
  };
  return Object.fromEntries(
    blocks.map((b) => [b.keyword, { prefix: b.keyword, description: b.doc, body: placeholders(b.example) }]),
  );
}

function xml(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function vsixManifest() {
  const property = (id, value) => `      <Property Id="Microsoft.VisualStudio.Code.${id}" Value="${xml(value)}" />`;
  const asset = (type, file) => `    <Asset Type="${type}" Path="extension/${file}" Addressable="true" />`;
  return `<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011" xmlns:d="http://schemas.microsoft.com/developer/vsx-schema-design/2011">
  <Metadata>
    <Identity Language="en-US" Id="${xml(manifest.name)}" Version="${xml(manifest.version)}" Publisher="${xml(manifest.publisher)}" />
    <DisplayName>${xml(manifest.displayName)}</DisplayName>
    <Description xml:space="preserve">${xml(manifest.description)}</Description>
    <Tags>${xml(manifest.keywords.join(","))}</Tags>
    <Categories>${xml(manifest.categories.join(","))}</Categories>
    <GalleryFlags>Public</GalleryFlags>
    <Properties>
${[
  property("Engine", manifest.engines.vscode),
  property("ExtensionDependencies", ""),
  property("ExtensionPack", ""),
  property("ExtensionKind", manifest.extensionKind.join(",")),
  property("LocalizedLanguages", ""),
].join("\n")}
    </Properties>
    <License>extension/LICENSE.txt</License>
  </Metadata>
  <Installation>
    <InstallationTarget Id="Microsoft.VisualStudio.Code" />
  </Installation>
  <Dependencies />
  <Assets>
${[
  asset("Microsoft.VisualStudio.Code.Manifest", "package.json"),
  asset("Microsoft.VisualStudio.Services.Content.Details", "readme.md"),
  asset("Microsoft.VisualStudio.Services.Content.License", "LICENSE.txt"),
].join("\n")}
  </Assets>
</PackageManifest>
`;
}

function contentTypes() {
  return `<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
${Object.entries(types)
  .map(([extension, type]) => `  <Default Extension=".${extension}" ContentType="${type}" />`)
  .join("\n")}
</Types>
`;
}
