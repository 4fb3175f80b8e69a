// Where one draws: the picture with the window that is read, and what the models say.
import { asAffine, compose, inWords, matrixText } from "./affine.js";
import { addChoices } from "./choices.js";
import { Drawing, pose } from "./drawing.js";
import { cover, drawCursor, drawPixels, drawWindow, pixelsOf, tileOf } from "./painting.js";
import { showScores, verdict } from "./scores.js";
import { addSlider } from "./sliders.js";

const PEN = 0.09; // of the drawing's side
const CURSOR_STEP = 0.06;
const SLIDERS = [
  { name: "turn", unit: "°" },
  { name: "size", unit: " %" },
  { name: "right", unit: " %" },
  { name: "down", unit: " %" },
  { name: "shear", unit: " %" },
];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Connect the page.
 *
 * `load` gives a kind's models and pictures. Returns a function that times frames.
 */
export async function drawPage(root, kinds, load) {
  const find = (id) => root.querySelector(`#${id}`);
  const picture = find("picture");
  const shown = picture.getContext("2d");
  const ink = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  const drawing = new Drawing();
  const sliders = Object.fromEntries(
    SLIDERS.map((slider) => [slider.name, addSlider(find("sliders"), slider, update)]),
  );
  const pen = { cursor: [0, 0], isDown: false };
  let chosen = null; // name of the kind
  let current = null; // kind, models, pictures
  let example = 0;
  let layers = {}; // what lies behind the drawing and over it
  let result = null;
  let running = null;
  let isStale = false;

  /** From the drawing to the picture: by the sliders, at the size of this kind of picture. */
  function map() {
    const values = Object.fromEntries(SLIDERS.map(({ name }) => [name, sliders[name].value]));
    const { base } = current.kind;
    return compose([base, 0, 0, 0, base, 0], pose(values));
  }

  function paintInk() {
    ink.fillStyle = "#000";
    ink.fillRect(0, 0, picture.width, picture.height);
    if (layers.behind) cover(ink, layers.behind);
    drawing.paint(ink, map(), PEN);
    if (layers.over) {
      ink.globalCompositeOperation = "lighten";
      cover(ink, layers.over);
      ink.globalCompositeOperation = "source-over";
    }
  }

  function show() {
    shown.drawImage(ink.canvas, 0, 0);
    if (result && !drawing.isEmpty) drawWindow(shown, result.theta);
    if (document.activeElement === picture && current?.kind.pen) {
      drawCursor(shown, pen.cursor, pen.isDown);
    }
  }

  function report() {
    const { classes, channels } = current.kind;
    drawPixels(find("straightened"), result.straightened, channels);
    showScores(find("scores"), classes, result);
    find("matrix").textContent = matrixText(result.theta);
    find("words").textContent = drawing.isEmpty ? "" : `It ${inWords(result.theta)}.`;
    find("verdict").textContent = drawing.isEmpty
      ? "Nothing is drawn yet: this is what they say of an empty picture."
      : verdict(classes, result);
  }

  /** Paint and run the models; changes that come meanwhile are run once, at the end. */
  function update() {
    if (!current) return null;
    paintInk();
    show();
    isStale = true;
    running ??= runUntilFresh().finally(() => { running = null; });
    return running;
  }

  async function runUntilFresh() {
    while (isStale) {
      isStale = false;
      const { kind, models } = current;
      const said = await classify(models, kind, pixelsOf(ink.canvas, kind.side, kind.channels));
      if (kind !== current.kind) continue;
      result = said;
      show();
      report();
    }
  }

  async function chooseKind(name) {
    chosen = name;
    const kind = kinds.find((each) => each.name === name);
    const loaded = await load(kind);
    if (chosen !== name) return; // another one was chosen meanwhile
    current = { kind, ...loaded };
    result = null;
    example = kind.first;
    root.dataset.kind = name;
    find("lead").textContent = kind.lead;
    for (const { name: slider } of SLIDERS) {
      const range = kind.sliders[slider];
      sliders[slider].label.hidden = !range;
      sliders[slider].setRange(range ?? [0, 0, 0]);
    }
    await showExample();
  }

  function showExample() {
    const { examples, backgrounds, clutter } = current.pictures;
    drawing.clear();
    drawing.example = tileOf(examples, example);
    layers = {
      behind: backgrounds && tileOf(backgrounds, example),
      over: clutter && tileOf(clutter, example),
    };
    return update();
  }

  function resetSliders() {
    for (const { name } of SLIDERS) sliders[name].value = name === "size" ? 100 : 0;
    return update();
  }

  const at = (event) => {
    const box = picture.getBoundingClientRect();
    return [
      (2 * (event.clientX - box.left)) / box.width - 1,
      (2 * (event.clientY - box.top)) / box.height - 1,
    ];
  };

  picture.addEventListener("pointerdown", (event) => {
    if (!current?.kind.pen) return;
    picture.setPointerCapture(event.pointerId);
    drawing.begin(at(event), map());
    update();
  });
  picture.addEventListener("pointermove", (event) => {
    if (!picture.hasPointerCapture(event.pointerId)) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) drawing.extend(at(each), map());
    update();
  });
  picture.addEventListener("keydown", (event) => {
    if (!current?.kind.pen) return;
    if (event.key === " ") {
      pen.isDown = !pen.isDown;
      if (pen.isDown) drawing.begin(pen.cursor, map());
    } else if (event.key in ARROWS) {
      pen.cursor = pen.cursor.map((value, axis) =>
        Math.max(-1, Math.min(1, value + CURSOR_STEP * ARROWS[event.key][axis])));
      if (pen.isDown) drawing.extend(pen.cursor, map());
    } else return;
    event.preventDefault();
    update();
  });
  for (const change of ["focus", "blur"]) picture.addEventListener(change, show);
  find("clear").addEventListener("click", () => { drawing.clear(); update(); });
  find("example").addEventListener("click", () => { example += 1; showExample(); });
  find("reset").addEventListener("click", resetSliders);
  addChoices(find("kinds"), kinds.map(({ name, title }) => [name, title]), chooseKind);
  await chooseKind(kinds[0].name);

  /** Milliseconds of each of `count` frames, from a moved slider to what is shown. */
  return async function timeFrames(count) {
    const times = [];
    for (let frame = 0; frame < count; frame += 1) {
      sliders.turn.value = (frame % 20) - 10;
      const start = performance.now();
      await update();
      times.push(performance.now() - start);
    }
    return times;
  };
}

/** What the models say of an image: probabilities, theta and the image handed on. */
export async function classify({ alone, behind }, { side, channels }, pixels) {
  const [plain, transformed] = await Promise.all(
    [alone, behind].map((model) => model?.run(pixels, side, channels)),
  );
  return {
    alone: plain && [...plain.scores],
    behind: [...transformed.scores],
    theta: asAffine([...transformed.theta]),
    straightened: transformed.straightened,
  };
}
