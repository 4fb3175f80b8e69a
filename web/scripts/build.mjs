// node scripts/build.mjs: put the runtime into vendor/, so that the page loads nothing from elsewhere.
// node scripts/build.mjs FOLDER: also copy the whole page there.
import { cp, mkdir, rm } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const root = new URL("../", import.meta.url);
const runtime = new URL("node_modules/onnxruntime-web/dist/", root);
const files = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"];
const page = ["index.html", "style.css", "src", "models", "vendor"];

await mkdir(new URL("vendor/", root), { recursive: true });
for (const file of files) await cp(new URL(file, runtime), new URL(`vendor/${file}`, root));

const [out] = process.argv.slice(2);
if (out) {
  const folder = pathToFileURL(`${out}/`);
  await rm(folder, { recursive: true, force: true });
  for (const name of page) await cp(new URL(name, root), new URL(name, folder), { recursive: true });
  console.log(`the page is in ${out}`);
}
