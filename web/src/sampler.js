// Reading an image at a place between its pixels.

/** The place, in -1 to 1, of the center of a pixel; -1 and 1 are the edges of the image. */
export function placeOf(index, side) {
  return (2 * index + 1) / side - 1;
}

/** What is read at a place: the four neighbors with their weights, and the sum. Zero outside. */
export function readAt(image, [x, y]) {
  const { width, height } = image;
  const u = ((x + 1) * width - 1) / 2;
  const v = ((y + 1) * height - 1) / 2;
  const [left, top] = [Math.floor(u), Math.floor(v)];
  const neighbors = [];
  const value = [0, 0, 0];
  for (const row of [top, top + 1]) {
    for (const column of [left, left + 1]) {
      const weight = (1 - Math.abs(u - column)) * (1 - Math.abs(v - row));
      const color = colorAt(image, column, row);
      neighbors.push({ column, row, weight, color });
      for (let k = 0; k < 3; k += 1) value[k] += weight * color[k];
    }
  }
  return { u, v, neighbors, value };
}

function colorAt({ data, width, height }, column, row) {
  if (column < 0 || row < 0 || column >= width || row >= height) return [0, 0, 0];
  const start = 4 * (row * width + column);
  return [data[start], data[start + 1], data[start + 2]];
}

/** Fill `output`, an ImageData, with what `map` reads of an image. */
export function warp(image, output, map) {
  const { width, height, data } = output;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const { value } = readAt(image, map([placeOf(column, width), placeOf(row, height)]));
      const start = 4 * (row * width + column);
      data[start] = value[0];
      data[start + 1] = value[1];
      data[start + 2] = value[2];
      data[start + 3] = 255;
    }
  }
}
