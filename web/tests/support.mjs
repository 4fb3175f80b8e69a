// The page in Chromium, served from this folder.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createServer } from "http-server";
import { chromium } from "playwright-core";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Chromium's program, or undefined. */
export const program = PLACES.find((path) => path && existsSync(path));

/** A reason to skip what needs a browser, or false. */
export const withoutBrowser = program ? false : "no Chromium here: apt install chromium, or set CHROMIUM";

/** Serve the folder and open browser pages on it: { open, close, requests }. */
export async function startBrowser() {
  const { server } = createServer({ root: ROOT, cache: -1 });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${server.address().port}/`;
  const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
  const requests = [];
  const problems = [];

  async function open({ width = 1280, height = 900, before, ...options } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, ...options });
    const page = await context.newPage();
    page.on("request", (request) => requests.push(request.url()));
    page.on("pageerror", (error) => problems.push(error.message));
    if (before) await page.addInitScript(before);
    await page.goto(address);
    return page;
  }

  async function close() {
    await browser.close();
    server.close();
  }

  return { open, close, requests, problems, address };
}

/** Wait until the models are loaded and have said what they say of the picture. */
export async function ready(page) {
  await page.waitForSelector("body[data-ready]");
}

/** Draw one stroke through points in parts of the canvas. */
export async function stroke(page, points) {
  const box = await page.locator("#picture").boundingBox();
  const at = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(points[0]));
  await page.mouse.down();
  for (const point of points.slice(1)) await page.mouse.move(...at(point), { steps: 5 });
  await page.mouse.up();
}
