// Canvas in and out: strips of pictures, pixels, windows.
import { outline } from "./affine.js";

const FRAME = "#ff8c1a";
const CURSOR = "#3fa7ff";

/** One picture of a strip of `count` side by side, as a canvas. */
export function tileOf({ image, count }, index) {
  const side = image.width / count;
  const tile = new OffscreenCanvas(side, image.height);
  tile.getContext("2d").drawImage(image, -(index % count) * side, 0);
  return tile;
}

/** Draw a canvas over all of another one. */
export function cover(context, tile) {
  context.imageSmoothingEnabled = true;
  context.drawImage(tile, 0, 0, context.canvas.width, context.canvas.height);
}

/** A canvas averaged down to a square of `side` pixels: Float32Array, in rows, 0 to 1. */
export function pixelsOf(canvas, side, channels) {
  const { data } = shrunk(canvas, side).getImageData(0, 0, side, side);
  const pixels = new Float32Array(side * side * channels);
  for (let index = 0; index < side * side; index += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      pixels[index * channels + channel] = data[4 * index + channel] / 255;
    }
  }
  return pixels;
}

/** Halved again and again: drawn at once, a small copy skips pixels in some browsers. */
function shrunk(canvas, side) {
  let from = canvas;
  while (from.width > 2 * side) from = resized(from, Math.ceil(from.width / 2)).canvas;
  return resized(from, side);
}

function resized(canvas, side) {
  const context = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, 0, 0, side, side);
  return context;
}

/** Draw pixels in rows, 0 to 1, large enough to see each. */
export function drawPixels(canvas, values, channels) {
  const side = Math.sqrt(values.length / channels);
  const image = new ImageData(side, side);
  for (let index = 0; index < side * side; index += 1) {
    for (let color = 0; color < 3; color += 1) {
      image.data[4 * index + color] = 255 * values[index * channels + Math.min(color, channels - 1)];
    }
    image.data[4 * index + 3] = 255;
  }
  const small = new OffscreenCanvas(side, side);
  small.getContext("2d").putImageData(image, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

/** Outline what a theta reads; the edge that becomes the upper one is thick. */
export function drawWindow(context, theta) {
  const corners = outline(theta, context.canvas.width);
  context.strokeStyle = FRAME;
  context.lineWidth = 2;
  context.beginPath();
  for (const corner of corners) context.lineTo(...corner);
  context.closePath();
  context.stroke();
  context.lineWidth = 5;
  context.beginPath();
  context.moveTo(...corners[0]);
  context.lineTo(...corners[1]);
  context.stroke();
}

/** Where the keyboard's pen is. */
export function drawCursor(context, cursor, isPenDown) {
  const [x, y] = cursor.map((value) => ((value + 1) / 2) * context.canvas.width);
  context.strokeStyle = isPenDown ? FRAME : CURSOR;
  context.lineWidth = 1.5;
  context.strokeRect(x - 5, y - 5, 10, 10);
}
