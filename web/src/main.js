import { moveByArrows } from "./choices.js";
import { classify, drawPage } from "./draw-page.js";
import { isSupported, loadModel } from "./runtime.js";
import { thetaPage } from "./theta-page.js";

const models = new URL("../models/", import.meta.url);

async function fetched(file) {
  const response = await fetch(new URL(file, models));
  if (!response.ok) throw new Error(`${file}: ${response.status} ${response.statusText}`);
  return response;
}

async function image(file) {
  return createImageBitmap(await (await fetched(file)).blob());
}

/** The models and pictures of a kind, loaded when it is first chosen. */
function loadKind(kind) {
  kind.loaded ??= (async () => {
    const [alone, behind] = await Promise.all(
      [kind.alone, kind.behind].map((file) => file && loadModel(new URL(file, models))),
    );
    const pictures = await Promise.all(
      Object.entries(kind.sprites).map(async ([name, { file, count }]) =>
        [name, { image: await image(file), count }]),
    );
    return { models: { alone, behind }, pictures: Object.fromEntries(pictures) };
  })();
  return kind.loaded;
}

function say(problem) {
  const place = document.querySelector("#problem");
  place.textContent = problem;
  place.hidden = false;
}

function connectTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const choose = (chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
  };
  for (const tab of tabs) tab.addEventListener("click", () => choose(tab));
  moveByArrows(tabs, choose);
}

async function start() {
  connectTabs();
  const { kinds, photograph } = await (await fetched("models.json")).json();
  thetaPage(document.querySelector("#theta"), await image(photograph));
  if (!isSupported()) {
    say("This browser has no WebAssembly, which the models on the page Draw need. Theta works.");
    return;
  }
  const timeFrames = await drawPage(document.querySelector("#draw"), kinds, loadKind);
  window.stn = { kinds, loadKind, classify, timeFrames }; // for tests and the console
  document.body.dataset.ready = "";
}

window.addEventListener("unhandledrejection", ({ reason }) => say(`Something failed: ${reason.message}`));
start().catch((error) => say(`The page could not start: ${error.message}`));
