// Prints what a browser downloads, and fails the build when it is more than we promise.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url);
const LIMITS = { loader: 3_000, widget: 25 * 1024 };

/** The files of an entry: itself, what it imports, and their styles; not what it loads on demand. */
export function filesOf(manifest, key, seen = new Set()) {
  const chunk = manifest[key];
  if (!chunk || seen.has(key)) return [];
  seen.add(key);
  const imported = (chunk.imports ?? []).flatMap((name) => filesOf(manifest, name, seen));
  return [chunk.file, ...(chunk.css ?? []), ...imported];
}

function measure(files) {
  const contents = files.map((file) => readFileSync(new URL(file, dist)));
  return {
    raw: contents.reduce((sum, content) => sum + content.length, 0),
    gzipped: contents.reduce((sum, content) => sum + gzipSync(content, { level: 9 }).length, 0),
  };
}

function main() {
  const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));
  const loader = measure(["loader.js"]);
  const widget = measure(["loader.js", ...filesOf(manifest, "src/widget/main.ts")]);
  const greeter = measure([manifest["src/widget/greeter.tsx"].file]);
  const policy = measure([manifest["src/shared/ui/policy-text.tsx"].file]);
  const ownData = measure([manifest["src/widget/own-data.tsx"].file]);
  const console_ = measure(filesOf(manifest, "src/console/main.ts"));
  const rows = [
    // The loader's promise is about its plain size: a page's own server may not compress it.
    ["loader", loader, loader.raw, LIMITS.loader],
    ["widget", widget, widget.gzipped, LIMITS.widget],
    ["widget, greeter", greeter, greeter.gzipped, Infinity],
    ["widget, policy", policy, policy.gzipped, Infinity],
    ["widget, own data", ownData, ownData.gzipped, Infinity],
    ["console", console_, console_.gzipped, Infinity],
  ];
  for (const [name, { raw, gzipped }, , limit] of rows) {
    const bound = limit === Infinity ? "" : `  limit ${limit}${name === "loader" ? "" : " gzipped"}`;
    process.stdout.write(`${name.padEnd(20)} ${String(raw).padStart(7)} B ${String(gzipped).padStart(7)} B gzipped${bound}\n`);
  }
  const tooLarge = rows.filter(([, , size, limit]) => size > limit).map(([name]) => name);
  if (tooLarge.length > 0) {
    process.stderr.write(`too large: ${tooLarge.join(", ")}\n`);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
