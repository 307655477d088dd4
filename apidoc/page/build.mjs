// Builds the page's script and style into dist, byte for byte the same everywhere. Run by `make page`.
import { build } from "esbuild";

const common = {
  bundle: true,
  minify: true,
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  absWorkingDir: import.meta.dirname,
  logLevel: "warning",
};
await build({
  ...common,
  entryPoints: { console: "src/main.ts", worker: "src/worker.ts" },
  format: "iife",
  outdir: "dist",
});
await build({ ...common, entryPoints: { console: "src/console.css" }, outdir: "dist" });
