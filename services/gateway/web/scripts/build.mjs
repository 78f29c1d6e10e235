// Builds each page on its own: nobody loads two of them, and one file compresses better than several shared ones.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { minify } from "terser";
import { build } from "vite";

const PAGES = ["widget", "console", "staff", "demo"];
const root = fileURLToPath(new URL("..", import.meta.url));
const manifests = new URL("../dist/.vite/", import.meta.url);

/** What one minifier leaves, another still finds: some hundred bytes, and the widget has few to spare. */
const smaller = {
  name: "smaller",
  async generateBundle(_, bundle) {
    for (const chunk of Object.values(bundle).filter(({ type }) => type === "chunk")) {
      const { code } = await minify(chunk.code, { module: true, ecma: 2020, compress: { passes: 3, pure_getters: true } });
      chunk.code = code;
    }
  },
};

/** What is loaded on demand has nothing to be loaded before it, and Vite's helper for that is as large as it saves. */
const onDemand = {
  name: "on-demand",
  enforce: "pre",
  load: (id) => (id.endsWith("vite/preload-helper.js") ? "export const __vitePreload = (load) => load();" : undefined),
};

rmSync(new URL("../dist/", import.meta.url), { recursive: true, force: true });
const manifest = {};
for (const page of PAGES) {
  const input = { [page]: `src/${page}/main.ts` };
  await build({ root, logLevel: "warn", plugins: [onDemand, smaller], build: { emptyOutDir: false, manifest: `.vite/${page}.json`, rolldownOptions: { input } } });
  const part = new URL(`${page}.json`, manifests);
  Object.assign(manifest, JSON.parse(readFileSync(part, "utf8")));
  rmSync(part);
}
writeFileSync(new URL("manifest.json", manifests), JSON.stringify(manifest, null, 2));
