// npm run measure: milliseconds of a frame, from a change to what is shown, on one thread.
import { ready, startBrowser, withoutBrowser } from "../tests/support.mjs";

const FRAMES = 60;

if (withoutBrowser) {
  console.error(withoutBrowser);
  process.exit(1);
}
const browser = await startBrowser();
const page = await browser.open();
await ready(page);
for (const kind of await page.evaluate(() => window.stn.kinds.map(({ name }) => name))) {
  await page.click(`#kinds [data-name=${kind}]`);
  await page.waitForSelector(`#draw[data-kind=${kind}]`);
  const times = await page.evaluate((frames) => window.stn.timeFrames(frames), FRAMES);
  times.sort((p, q) => p - q);
  const [median, slow] = [times[FRAMES / 2], times[Math.floor(0.95 * FRAMES)]];
  console.log(`${kind}: median ${median.toFixed(1)} ms, 95 % within ${slow.toFixed(1)} ms`);
}
await browser.close();
