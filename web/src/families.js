// Families of theta, each set by handles: places in the input that points of the output are read from.

const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]];
const lattice = [-1, -1 / 3, 1 / 3, 1].flatMap((y) => [-1, -1 / 3, 1 / 3, 1].map((x) => [x, y]));

/** x of matrix x = right, by Gauss's elimination with the largest pivot. */
export function solve(matrix, right) {
  const rows = matrix.map((row, index) => [...row, right[index]]);
  const count = rows.length;
  for (let column = 0; column < count; column += 1) {
    let pivot = column;
    for (let row = column + 1; row < count; row += 1) {
      if (Math.abs(rows[row][column]) > Math.abs(rows[pivot][column])) pivot = row;
    }
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    for (let row = 0; row < count; row += 1) {
      if (row === column) continue;
      const factor = rows[row][column] / rows[column][column];
      for (let k = column; k <= count; k += 1) rows[row][k] -= factor * rows[column][k];
    }
  }
  return rows.map((row, index) => row[count] / row[index]);
}

function affine([upperLeft, upperRight, lowerLeft]) {
  const [a, c] = [0, 1].map((axis) => (upperRight[axis] - upperLeft[axis]) / 2);
  const [b, d] = [0, 1].map((axis) => (lowerLeft[axis] - upperLeft[axis]) / 2);
  return [a, b, upperLeft[0] + a + b, c, d, upperLeft[1] + c + d];
}

function homography(handles) {
  const matrix = [];
  const right = [];
  corners.forEach(([x, y], index) => {
    const [u, v] = handles[index];
    matrix.push([x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]);
    right.push(u, v);
  });
  return solve(matrix, right);
}

const bend = (squared) => (squared === 0 ? 0 : squared * Math.log(squared));
const squared = (p, q) => (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2;

function spline(handles) {
  const count = lattice.length;
  const matrix = Array.from({ length: count + 3 }, () => new Array(count + 3).fill(0));
  lattice.forEach((p, row) => {
    lattice.forEach((q, column) => { matrix[row][column] = bend(squared(p, q)); });
    [1, ...p].forEach((value, k) => {
      matrix[row][count + k] = value;
      matrix[count + k][row] = value;
    });
  });
  return [0, 1].map((axis) => solve(matrix, [...handles.map((handle) => handle[axis]), 0, 0, 0]));
}

function fixed(value) {
  const text = (Math.abs(value) < 0.0005 ? 0 : value).toFixed(3);
  return text.padStart(7);
}

export const FAMILIES = {
  affine: {
    title: "Affine: six numbers",
    points: [corners[0], corners[1], corners[3]],
    fit: affine,
    map: ([a, b, tx, c, d, ty], [x, y]) => [a * x + b * y + tx, c * x + d * y + ty],
    text: (t) => `x_in = ${fixed(t[0])} x + ${fixed(t[1])} y + ${fixed(t[2])}\ny_in = ${fixed(t[3])} x + ${fixed(t[4])} y + ${fixed(t[5])}`,
  },
  homography: {
    title: "Homography: four corners",
    points: corners,
    fit: homography,
    map: (t, [x, y]) => {
      const depth = t[6] * x + t[7] * y + 1;
      return [(t[0] * x + t[1] * y + t[2]) / depth, (t[3] * x + t[4] * y + t[5]) / depth];
    },
    text: (t) => `depth = ${fixed(t[6])} x + ${fixed(t[7])} y + 1\nx_in = (${fixed(t[0])} x + ${fixed(t[1])} y + ${fixed(t[2])}) / depth\ny_in = (${fixed(t[3])} x + ${fixed(t[4])} y + ${fixed(t[5])}) / depth`,
  },
  spline: {
    title: "Thin plate spline: 16 points",
    points: lattice,
    fit: spline,
    map: (t, point) => t.map((weights) => {
      const count = lattice.length;
      const curved = lattice.reduce((sum, q, k) => sum + weights[k] * bend(squared(point, q)), 0);
      return curved + weights[count] + weights[count + 1] * point[0] + weights[count + 2] * point[1];
    }),
    text: (t, handles) => "where each control point is read, minus the point:\n" + handles
      .map((handle, k) => `(${fixed(handle[0] - lattice[k][0])},${fixed(handle[1] - lattice[k][1])})`)
      .map((text, k) => text + (k % 2 === 1 ? "\n" : "  ")).join(""),
  },
};
