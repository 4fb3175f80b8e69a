// Laws of the page's own arithmetic.
import assert from "node:assert/strict";
import { test } from "node:test";
import { apply, asAffine, compose, inWords, invert } from "../src/affine.js";
import { pose } from "../src/drawing.js";
import { FAMILIES } from "../src/families.js";
import { placeOf, readAt, warp } from "../src/sampler.js";

const near = (got, expected, tolerance = 1e-9) => {
  assert.equal(got.length, expected.length);
  got.forEach((value, index) => assert.ok(Math.abs(value - expected[index]) <= tolerance, `${got} is not ${expected}`));
};

const bytes = (count) => Uint8ClampedArray.from({ length: count }, (_, index) => (index * 37) % 256);
const image = (side) => ({ width: side, height: side, data: bytes(4 * side * side) });

test("a map and its inverse lead back", () => {
  const map = pose({ turn: 33, size: 60, right: 12, down: -7, shear: 25 });
  near(apply(invert(map), apply(map, [0.3, -0.8])), [0.3, -0.8]);
  near(compose(map, invert(map)), [1, 0, 0, 0, 1, 0]);
});

test("a similarity is an affine theta", () => {
  near(asAffine([0.5, 0.3, 0.2, -0.1]), [0.47766824, -0.14776010, 0.2, 0.14776010, 0.47766824, -0.1], 1e-7);
  near(asAffine([1, 2, 3, 4, 5, 6]), [1, 2, 3, 4, 5, 6]);
});

test("a theta is told in words", () => {
  assert.equal(inWords([1, 0, 0, 0, 1, 0]), "leaves the picture as it is");
  assert.equal(inWords([0.5, 0, 0.4, 0, 0.5, 0]), "enlarges 2.00 times, looks 20 % right");
  const angle = Math.PI / 6;
  const turned = [Math.cos(angle), -Math.sin(angle), 0, Math.sin(angle), Math.cos(angle), 0];
  assert.equal(inWords(turned), "turns 30° counter-clockwise");
});

for (const [name, family] of Object.entries(FAMILIES)) {
  test(`${name}: handles at home are the identity`, () => {
    const theta = family.fit(family.points);
    near(family.map(theta, [0.2, -0.6]), [0.2, -0.6]);
  });

  test(`${name}: each handle is where its point is read`, () => {
    const handles = family.points.map(([x, y], k) => [0.8 * x + 0.02 * k, 0.9 * y - 0.01 * k]);
    const theta = family.fit(handles);
    family.points.forEach((point, k) => near(family.map(theta, point), handles[k], 1e-6));
  });
}

test("the identity reads every pixel as it is", () => {
  const input = image(7);
  const output = { width: 7, height: 7, data: new Uint8ClampedArray(4 * 49) };
  warp(input, output, (point) => point);
  for (let index = 0; index < output.data.length; index += 1) {
    if (index % 4 !== 3) assert.equal(output.data[index], input.data[index]);
  }
});

test("weights of the four neighbors sum to one, and zero is outside", () => {
  const input = image(5);
  const { neighbors, value } = readAt(input, [0.13, -0.41]);
  near([neighbors.reduce((sum, { weight }) => sum + weight, 0)], [1]);
  const sum = [0, 1, 2].map((k) => neighbors.reduce((total, n) => total + n.weight * n.color[k], 0));
  near(value, sum);
  near(readAt(input, [1.6, 0]).value, [0, 0, 0]);
  near([placeOf(0, 4), placeOf(3, 4)], [-0.75, 0.75]);
});
