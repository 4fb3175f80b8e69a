// The page as a visitor uses it, in Chromium.
import assert from "node:assert/strict";
import { readFile, readdir, stat } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { ready, startBrowser, stroke, withoutBrowser } from "./support.mjs";

const ROOT = new URL("../", import.meta.url);
const drawings = JSON.parse(await readFile(new URL("drawings.json", import.meta.url)));
const SEVEN = [[0.62, 0.18], [0.84, 0.2], [0.72, 0.48]];

describe("the page", { skip: withoutBrowser }, () => {
  let browser;
  before(async () => { browser = await startBrowser(); });
  after(() => browser?.close());

  for (const [name, stored] of Object.entries(drawings)) {
    test(`${name}: says what Keras says`, async () => {
      const page = await browser.open();
      await ready(page);
      const said = await page.evaluate(async ([kindName, pictures]) => {
        const { kinds, loadKind, classify } = window.stn;
        const kind = kinds.find((each) => each.name === kindName);
        const { models } = await loadKind(kind);
        const results = [];
        for (const { pixels } of pictures) {
          const bytes = Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
          results.push(await classify(models, kind, Float32Array.from(bytes, (value) => value / 255)));
        }
        return results.map(({ alone, behind, theta }) => ({ alone, behind, theta }));
      }, [name, stored]);
      assert.equal(said.length, 20);
      said.forEach((result, index) => {
        for (const output of ["alone", "behind", "theta"]) {
          const expected = stored[index][output];
          if (!expected) continue;
          const off = Math.max(...expected.map((value, k) => Math.abs(value - result[output][k])));
          assert.ok(off < 1e-4, `${output} of drawing ${index} is off by ${off}`);
        }
      });
      await page.context().close();
    });
  }

  test("a seven drawn small in a corner is found", async () => {
    const page = await browser.open();
    await ready(page);
    await page.click("#reset");
    await clear(page);
    await stroke(page, SEVEN);
    await page.waitForFunction(() => document.querySelector("#scores tbody .behind.best")?.closest("tr").rowIndex === 8);
    const [, , right, , , down] = await theta(page);
    assert.ok(right > 0.1 && down < -0.1, `the window is at ${right}, ${down}`);
    await page.context().close();
  });

  test("sliders move the drawing, and the window follows", async () => {
    const page = await browser.open();
    await ready(page);
    await page.click("#reset");
    assert.ok((await followed(page, 15)) > 0.5);
    assert.match(await page.textContent("#words"), /right/);
    await page.locator("#draw input[name=turn]").fill("40");
    assert.equal(await page.locator("#draw label:has(input[name=turn]) output").textContent(), "40°");
    await page.context().close();
  });

  test("a sign is moved, and the window follows", async () => {
    const page = await browser.open();
    await ready(page);
    await page.click("#kinds [data-name=signs]");
    await page.waitForSelector("#draw[data-kind=signs]");
    await page.click("#reset");
    assert.ok((await followed(page, 20)) > 0.5);
    await page.context().close();
  });

  test("nothing drawn is said, without a window", async () => {
    const page = await browser.open();
    await ready(page);
    await clear(page);
    assert.equal(await page.textContent("#words"), "");
    const colored = await page.evaluate(() => {
      const canvas = document.querySelector("#picture");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value, index) => index % 4 < 3 && value > 0);
    });
    assert.equal(colored, false);
    await page.context().close();
  });

  test("the keyboard draws", async () => {
    const page = await browser.open();
    await ready(page);
    await page.click("#reset");
    await page.focus("#picture");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press(" ");
    for (let step = 0; step < 8; step += 1) await page.keyboard.press("ArrowDown");
    await page.waitForFunction(() => document.querySelector("#scores tbody .behind.best")?.closest("tr").rowIndex === 2);
    await page.focus("#kinds [aria-checked=true]");
    await page.keyboard.press("ArrowRight");
    await page.waitForSelector("#draw[data-kind=cluttered]");
    await page.context().close();
  });

  test("a phone shows all of it, and draws where it is touched", async () => {
    const page = await browser.open({ width: 390, height: 844, hasTouch: true, isMobile: true });
    await ready(page);
    await page.setViewportSize({ width: 360, height: 740 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `${wide} pixels wide`);
    await page.click("#reset");
    await clear(page);
    const box = await page.locator("#picture").boundingBox();
    await page.touchscreen.tap(box.x + 0.25 * box.width, box.y + 0.75 * box.height);
    await page.waitForFunction(() => !document.querySelector("#verdict").textContent.startsWith("Nothing"));
    const light = await page.evaluate(() => {
      const canvas = document.querySelector("#picture");
      const at = (x, y) => canvas.getContext("2d").getImageData(x * canvas.width, y * canvas.height, 1, 1).data[0];
      return [at(0.25, 0.75), at(0.8, 0.2)];
    });
    assert.deepEqual(light, [255, 0]);
    await page.context().close();
  });

  test("theta: a corner is dragged, a pixel is followed", async () => {
    const page = await browser.open();
    await ready(page);
    await page.click("#tab-theta");
    const before = await page.textContent("#formula");
    const box = await page.locator("#lattice").boundingBox();
    const corner = [box.x + (box.width * 0.35) / 2.7, box.y + (box.height * 0.35) / 2.7];
    await page.mouse.move(...corner);
    await page.mouse.down();
    await page.mouse.move(corner[0] + 40, corner[1] + 30, { steps: 4 });
    await page.mouse.up();
    assert.notEqual(await page.textContent("#formula"), before);
    await page.locator("#output").click({ position: { x: 103, y: 203 } });
    assert.match(await page.textContent("#pixel"), /output pixel {2}\(2[56], 5[01]\)/);
    const weights = await page.locator("#neighbors tbody td:nth-child(2)").allTextContents();
    assert.equal(weights.length, 4);
    const sum = weights.reduce((total, weight) => total + Number(weight), 0);
    assert.ok(Math.abs(sum - 1) < 0.003, `weights sum to ${sum}`);
    for (const family of ["homography", "spline"]) {
      await page.click(`#families [data-name=${family}]`);
      await page.focus("#lattice");
      await page.keyboard.press("ArrowRight");
      assert.match(await page.textContent("#formula"), /0\.0\d0|1\.0\d/);
    }
    await page.setInputFiles("#file", { name: "x.txt", mimeType: "text/plain", buffer: Buffer.from("no picture") });
    await page.waitForFunction(() => document.querySelector("#refused").textContent.includes("x.txt"));
    await page.context().close();
  });

  test("without WebAssembly the page says so, and theta works", async () => {
    const page = await browser.open({ before: () => { delete window.WebAssembly; } });
    await page.waitForSelector("#problem:not([hidden])");
    assert.match(await page.textContent("#problem"), /no WebAssembly/);
    await page.click("#tab-theta");
    assert.match(await page.textContent("#formula"), /x_in =/);
    await page.context().close();
  });

  test("nothing is asked of another host, and nothing failed", () => {
    assert.ok(browser.requests.length > 10);
    const elsewhere = browser.requests.filter((url) => !url.startsWith(browser.address) && !/^(data|blob):/.test(url));
    assert.deepEqual(elsewhere, []);
    assert.deepEqual(browser.problems, []);
  });
});

test("the page is small beside its runtime", async () => {
  let bytes = 0;
  for (const place of ["index.html", "style.css", "src/", "models/"]) {
    const names = place.endsWith("/") ? (await readdir(new URL(place, ROOT))).map((name) => place + name) : [place];
    for (const name of names) bytes += (await stat(new URL(name, ROOT))).size;
  }
  assert.ok(bytes < 3e6, `${bytes} bytes`);
});

async function clear(page) {
  await page.click("#clear");
  await page.waitForFunction(() => document.querySelector("#verdict").textContent.startsWith("Nothing is drawn"));
}

/** The part of a move from left to right, in percent of the side, that the window goes along. */
async function followed(page, percent) {
  const places = [];
  for (const value of [-percent, percent]) {
    await page.locator("#draw input[name=right]").fill(String(value));
    places.push((await theta(page))[2]);
  }
  return (places[1] - places[0]) / (4 * (percent / 100));
}

async function theta(page) {
  // The last change is shown when the models have run.
  await page.waitForFunction(() => document.querySelector("#matrix").textContent);
  await page.waitForTimeout(300);
  return (await page.textContent("#matrix")).trim().split(/\s+/).map(Number);
}
