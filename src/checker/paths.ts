/** POSIX-like paths without a file system. */

export const folderOf = (file: string): string => {
  const slash = file.lastIndexOf("/");
  return slash < 0 ? "" : slash === 0 ? "/" : file.slice(0, slash);
};

/** Normalised; leading `..` are kept. */
export function join(folder: string, path: string): string {
  const full = path.startsWith("/") || folder === "" ? path : `${folder}/${path}`;
  const absolute = full.startsWith("/");
  const parts: string[] = [];
  for (const part of full.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part !== ".." || !absolute) parts.push(part);
  }
  return (absolute ? "/" : "") + parts.join("/");
}

/** Whether a normalised path lies within the project: below the root file's own root, as the host names files. */
export function inProject(path: string, rootFile: string): boolean {
  const outside = rootFile.startsWith("/") || rootFile.startsWith("..");
  if (!outside) return !path.startsWith("/") && path !== ".." && !path.startsWith("../");
  const folder = folderOf(join("", rootFile));
  return folder === "" || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

/** `path` as written in `file`, made relative to the folder of the root file. */
export function rebase(path: string, file: string, rootFile: string): string {
  if (path.startsWith("/") || /^[a-z][a-z0-9+.-]*:\/\//.test(path)) return path;
  const from = folderOf(file);
  const root = folderOf(rootFile);
  if (from === root) return path;
  const target = join(from, path).split("/");
  const base = root === "" ? [] : join("", root).split("/");
  let same = 0;
  while (same < base.length && same < target.length - 1 && base[same] === target[same]) same++;
  return [...base.slice(same).map(() => ".."), ...target.slice(same)].join("/");
}
