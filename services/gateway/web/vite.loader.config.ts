import { defineConfig } from "vite";

// The loader runs on customers' pages: one classic script under a fixed name, for older browsers too.
export default defineConfig({
  publicDir: false,
  build: {
    target: "es2018",
    emptyOutDir: false,
    modulePreload: false,
    rolldownOptions: {
      input: "src/loader/loader.ts",
      output: { format: "iife", entryFileNames: "loader.js" },
    },
  },
});
