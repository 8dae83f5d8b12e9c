// Bundles the page into ../static: the same bytes from the same sources, on every machine.
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = process.argv[2] ?? here("../static");

const licences = ["markdown-it", "dompurify"];
const banner = `/*! agentkit's chat page (MIT). With ${licences.join(", ")}: see licences.txt */`;

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  entryPoints: { page: here("src/main.ts"), worker: here("src/worker.ts") },
  outdir: out,
  absWorkingDir: here("."),
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  banner: { js: banner },
  // What markdown-it brings as tables, a browser has: 50 kB less.
  alias: {
    entities: here("src/entities.ts"),
    "linkify-it": here("src/links.ts"),
    mdurl: here("src/addresses.ts"),
    "punycode.js": here("src/punycode.ts"),
    "uc.micro": here("src/characters.ts"),
  },
});
await build({
  entryPoints: [here("page.css")],
  outdir: out,
  external: ["./icon.svg"],
  bundle: true,
  minify: true,
  charset: "utf8",
  target: ["chrome120", "firefox121", "safari17"],
});
for (const file of ["icon.svg", "app.webmanifest"]) await copyFile(here(file), `${out}/${file}`);

// A browser keeps a file for good under the address that holds its digest.
let page = await readFile(here("index.html"), "utf8");
for (const file of ["page.css", "page.js"]) {
  const digest = createHash("sha256").update(await readFile(`${out}/${file}`)).digest("hex");
  page = page.replace(`"page/${file}"`, `"page/${file}?v=${digest.slice(0, 10)}"`);
}
await writeFile(`${out}/index.html`, page);

const texts = [];
for (const name of licences) {
  const folder = here(`node_modules/${name}/`);
  const licenceFile = (await readdir(folder)).find((file) => /^licen[cs]e(\.\w+)?$/i.test(file));
  const { version, license } = JSON.parse(await readFile(`${folder}package.json`, "utf8"));
  const text = (await readFile(folder + licenceFile, "utf8"))
    // What follows is how to put the licence on one's own work.
    .replace(/(END OF TERMS AND CONDITIONS)[^]*?(?=\n-{20}|$)/, "$1")
    .replace(/^[ \t]+|[ \t]+$/gm, "");
  texts.push(`${name} ${version} (${license})\n\n${text.trim()}\n`);
}
await writeFile(`${out}/licences.txt`, texts.join(`\n${"-".repeat(78)}\n\n`));
