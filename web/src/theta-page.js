// The page where theta is set by hand: a lattice to drag, the output, one pixel followed.
import { addChoices } from "./choices.js";
import { FAMILIES } from "./families.js";
import { drawLattice, fromCanvas, toCanvas } from "./lattice.js";
import { placeOf, readAt, warp } from "./sampler.js";
import { addSlider } from "./sliders.js";

const SIDE = 96; // of input and output, in pixels
const STEP = 0.05;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function thetaPage(root, photograph) {
  const find = (id) => root.querySelector(`#${id}`);
  const [lattice, output] = [find("lattice"), find("output")];
  const input = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });
  const small = new OffscreenCanvas(SIDE, SIDE).getContext("2d");
  const state = { family: FAMILIES.affine, handles: [], chosen: 0, pixel: [60, 30], side: SIDE };
  let theta = [];
  let image = null;

  const map = (point) => state.family.map(theta, point);

  function setInput(picture) {
    const side = Math.min(picture.width, picture.height);
    const [left, top] = [(picture.width - side) / 2, (picture.height - side) / 2];
    input.imageSmoothingQuality = "high";
    input.clearRect(0, 0, SIDE, SIDE);
    input.drawImage(picture, left, top, side, side, 0, 0, SIDE, SIDE);
    image = input.getImageData(0, 0, SIDE, SIDE);
    update();
  }

  function update() {
    theta = state.family.fit(state.handles);
    if (!image) return;
    drawLattice(lattice, input.canvas, map, state);
    drawOutput();
    followPixel();
    find("formula").textContent = state.family.text(theta, state.handles);
    numbers.forEach((number, index) => { number.value = theta[index] ?? 0; });
  }

  function drawOutput() {
    const pixels = new ImageData(SIDE, SIDE);
    warp(image, pixels, map);
    small.putImageData(pixels, 0, 0);
    const context = output.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small.canvas, 0, 0, output.width, output.height);
    const scale = output.width / SIDE;
    const [x, y] = state.pixel.map((index) => index * scale - 1);
    context.strokeStyle = "#3fa7ff";
    context.lineWidth = 2;
    context.strokeRect(x, y, scale + 2, scale + 2);
  }

  function followPixel() {
    const from = state.pixel.map((index) => placeOf(index, SIDE));
    const to = map(from);
    const { u, v, neighbors, value } = readAt(image, to);
    const text = (values, digits) => `(${values.map((each) => each.toFixed(digits)).join(", ")})`;
    find("pixel").textContent = [
      `output pixel  ${text(state.pixel, 0)}`,
      `lies at       ${text(from, 3)}`,
      `is read at    ${text(to, 3)}`,
      `in pixels     ${text([u, v], 2)}`,
      `value         ${text(value, 1)}`,
    ].join("\n");
    find("neighbors").querySelector("tbody").replaceChildren(...neighbors.map(neighborRow));
  }

  function neighborRow({ column, row, weight, color }) {
    const line = document.createElement("tr");
    for (const text of [`(${column}, ${row})`, weight.toFixed(3), color.join(" ")]) {
      line.insertCell().textContent = text;
    }
    return line;
  }

  function chooseFamily(name) {
    state.family = FAMILIES[name];
    state.handles = state.family.points.map((point) => [...point]);
    state.chosen = 0;
    find("numbers").hidden = name !== "affine";
    root.dataset.family = name;
    update();
  }

  /** One of the six numbers of an affine theta is set; handles follow. */
  function setNumber(index, value) {
    theta[index] = value;
    state.handles = state.family.points.map(map);
    update();
  }

  const at = (event, canvas) => {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };

  lattice.addEventListener("pointerdown", (event) => {
    const [x, y] = at(event, lattice);
    const distances = state.handles.map((handle) => {
      const [u, v] = toCanvas(lattice, handle);
      return Math.hypot(u - x, v - y);
    });
    state.chosen = distances.indexOf(Math.min(...distances));
    lattice.setPointerCapture(event.pointerId);
    update();
  });
  lattice.addEventListener("pointermove", (event) => {
    if (!lattice.hasPointerCapture(event.pointerId)) return;
    state.handles[state.chosen] = fromCanvas(lattice, at(event, lattice));
    update();
  });
  lattice.addEventListener("keydown", (event) => {
    if (event.key === " ") state.chosen = (state.chosen + 1) % state.handles.length;
    else if (event.key in ARROWS) {
      const handle = state.handles[state.chosen];
      state.handles[state.chosen] = handle.map((value, axis) => value + STEP * ARROWS[event.key][axis]);
    } else return;
    event.preventDefault();
    update();
  });
  output.addEventListener("pointerdown", (event) => {
    const clamp = (value) => Math.max(0, Math.min(SIDE - 1, Math.floor(value)));
    state.pixel = at(event, output).map((value) => clamp((value * SIDE) / output.width));
    update();
  });
  output.addEventListener("keydown", (event) => {
    if (!(event.key in ARROWS)) return;
    const clamp = (value) => Math.max(0, Math.min(SIDE - 1, value));
    state.pixel = state.pixel.map((value, axis) => clamp(value + ARROWS[event.key][axis]));
    event.preventDefault();
    update();
  });
  find("straight").addEventListener("click", () => chooseFamily(root.dataset.family));
  find("file").addEventListener("change", async ({ target }) => {
    const [file] = target.files;
    if (!file) return;
    const picture = await createImageBitmap(file).catch(() => null);
    find("refused").textContent = picture ? "" : `${file.name} is not a picture this browser can read.`;
    if (picture) setInput(picture);
  });

  const numbers = ["a", "b", "tx", "c", "d", "ty"].map((name, index) => {
    const options = { name, step: 0.01, digits: 2 };
    const slider = addSlider(find("numbers"), options, (value) => setNumber(index, value));
    slider.setRange([-2, 2, 0]);
    return slider;
  });
  const titles = Object.entries(FAMILIES).map(([name, { title }]) => [name, title]);
  addChoices(find("families"), titles, chooseFamily);
  chooseFamily("affine");
  setInput(photograph);
}
