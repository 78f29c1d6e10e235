import { fileURLToPath } from "node:url";

import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/static/",
  publicDir: false,
  resolve: { alias: { "preact/jsx-runtime": fileURLToPath(new URL("src/shared/jsx.ts", import.meta.url)) } },
  build: {
    target: "es2022",
    // The pages forbid inline content and other hosts: everything is a file of its own.
    assetsInlineLimit: 0,
    modulePreload: false,
  },
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    environment: "happy-dom",
    environmentOptions: { happyDOM: { url: "https://chat.example.com/", settings: { disableIframePageLoading: true } } },
    restoreMocks: true,
  },
});
