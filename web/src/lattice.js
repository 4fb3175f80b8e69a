// The lattice of places that are read, drawn over the input with its handles.
import { placeOf } from "./sampler.js";

const MARGIN = 0.35; // around the input, in halves of its side
const LINES = 9;
const STEPS = 32;

export function toCanvas(canvas, point) {
  return point.map((value) => ((value / (1 + MARGIN) + 1) / 2) * canvas.width);
}

export function fromCanvas(canvas, point) {
  return point.map((value) => ((2 * value) / canvas.width - 1) * (1 + MARGIN));
}

/** Draw it; `map` gives the place that a point of the output is read at. */
export function drawLattice(canvas, input, map, { handles, chosen, pixel, side }) {
  const context = canvas.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const [start] = toCanvas(canvas, [-1, -1]);
  context.imageSmoothingEnabled = false;
  context.drawImage(input, start, start, canvas.width - 2 * start, canvas.width - 2 * start);
  for (let line = 0; line < LINES; line += 1) {
    const at = (2 * line) / (LINES - 1) - 1;
    const isUpper = line === 0;
    drawCurve(context, (t) => map([t, at]), isUpper ? "#ff8c1a" : "rgb(255 255 255 / 75%)", isUpper ? 3 : 1);
    drawCurve(context, (t) => map([at, t]), "rgb(255 255 255 / 75%)", 1);
  }
  handles.forEach((handle, index) => drawHandle(context, handle, index === chosen));
  const [x, y] = toCanvas(canvas, map(pixel.map((index) => placeOf(index, side))));
  context.strokeStyle = "#3fa7ff";
  context.lineWidth = 2;
  context.strokeRect(x - 4, y - 4, 8, 8);
}

function drawCurve(context, along, color, width) {
  context.beginPath();
  for (let step = 0; step <= STEPS; step += 1) {
    context.lineTo(...toCanvas(context.canvas, along((2 * step) / STEPS - 1)));
  }
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}

function drawHandle(context, handle, isChosen) {
  context.beginPath();
  context.arc(...toCanvas(context.canvas, handle), 7, 0, 2 * Math.PI);
  context.fillStyle = isChosen ? "#ff8c1a" : "#fff";
  context.fill();
  context.strokeStyle = "#000";
  context.lineWidth = 1.5;
  context.stroke();
}
