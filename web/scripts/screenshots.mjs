// npm run screenshots: draw docs/draw.png and docs/theta.png, and of the site where it is built.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ready, startBrowser, withoutBrowser } from "../tests/support.mjs";

const folder = new URL("../../docs/", import.meta.url);
const file = (name) => fileURLToPath(new URL(name, folder));

if (withoutBrowser) {
  console.error(withoutBrowser);
  process.exit(1);
}
const browser = await startBrowser();
const page = await browser.open({ width: 1120, height: 690, colorScheme: "light" });
await ready(page);
await page.screenshot({ path: file("draw.png") });
await page.click("#tab-theta");
await page.click("#families [data-name=spline]");
await page.focus("#lattice");
for (const key of [" ", " ", " ", " ", " ", ...Array(5).fill("ArrowRight"), ...Array(4).fill("ArrowDown")]) {
  await page.keyboard.press(key);
}
await page.screenshot({ path: file("theta.png") });
const site = fileURLToPath(new URL("../../site/", import.meta.url));
if (existsSync(site)) {
  await page.setViewportSize({ width: 1200, height: 800 });
  for (const [source, name] of [
    ["README.html", "site.png"],
    ["docs/tutorials/03-why-it-works.html", "site-tutorial.png"],
  ]) {
    await page.goto(`file://${site}${source}`);
    await page.screenshot({ path: file(name) });
  }
}
await browser.close();
