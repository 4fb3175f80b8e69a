// What a user draws: strokes of a pen, or an example, put in its place by sliders.
import { apply, compose, invert } from "./affine.js";

/** The map that the sliders put a drawing through, in normalized coordinates. */
export function pose({ turn, size, right, down, shear }) {
  const angle = (turn * Math.PI) / 180;
  const [cos, sin, scale] = [Math.cos(angle), Math.sin(angle), size / 100];
  const sheared = [1, shear / 100, 0, 0, 1, 0];
  const turned = [scale * cos, -scale * sin, right / 50, scale * sin, scale * cos, down / 50];
  return compose(sheared, turned);
}

/** A drawing in normalized coordinates, -1 to 1, y down. */
export class Drawing {
  strokes = [];
  example = null; // a canvas

  clear() {
    this.strokes = [];
    this.example = null;
  }

  get isEmpty() {
    return this.strokes.length === 0 && this.example === null;
  }

  /** Begin a stroke at a point of the picture; an example is wiped off. */
  begin(point, map) {
    this.example = null;
    this.strokes.push([apply(invert(map), point)]);
  }

  extend(point, map) {
    this.strokes.at(-1)?.push(apply(invert(map), point));
  }

  /** Draw it on a square canvas through the map. `width` is the pen's, of the drawing's side. */
  paint(context, map, width) {
    const half = context.canvas.width / 2;
    const [a, b, tx, c, d, ty] = map;
    context.save();
    context.setTransform(
      a * half, c * half, b * half, d * half, (tx + 1) * half, (ty + 1) * half,
    );
    if (this.example) {
      context.imageSmoothingQuality = "high";
      context.drawImage(this.example, -1, -1, 2, 2);
    }
    context.lineCap = "round";
    context.lineJoin = "round";
    context.strokeStyle = "#fff";
    context.lineWidth = 2 * width;
    for (const [first, ...others] of this.strokes) {
      context.beginPath();
      context.moveTo(...first);
      // A line without length is not drawn, so a dot is a very short one.
      for (const point of others.length ? others : [[first[0] + 1e-3, first[1]]]) {
        context.lineTo(...point);
      }
      context.stroke();
    }
    context.restore();
  }
}
