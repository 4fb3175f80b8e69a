// Affine maps of the plane as [a, b, tx, c, d, ty]: (x, y) -> (a x + b y + tx, c x + d y + ty).

/** The six numbers of an affine theta; a similarity's four are scale, angle, and shift. */
export function asAffine(theta) {
  if (theta.length === 6) return theta;
  const [scale, angle, tx, ty] = theta;
  const [cos, sin] = [scale * Math.cos(angle), scale * Math.sin(angle)];
  return [cos, -sin, tx, sin, cos, ty];
}

/** The map that does `first` and then `then`. */
export function compose(first, then) {
  const [a, b, tx, c, d, ty] = then;
  const [e, f, ux, g, h, uy] = first;
  return [
    a * e + b * g, a * f + b * h, a * ux + b * uy + tx,
    c * e + d * g, c * f + d * h, c * ux + d * uy + ty,
  ];
}

/** The map that undoes another. */
export function invert([a, b, tx, c, d, ty]) {
  const determinant = a * d - b * c;
  const [e, f, g, h] = [d, -b, -c, a].map((value) => value / determinant);
  return [e, f, -(e * tx + f * ty), g, h, -(g * tx + h * ty)];
}

export function apply([a, b, tx, c, d, ty], [x, y]) {
  return [a * x + b * y + tx, c * x + d * y + ty];
}

/** Corners of the output, from its upper left on clockwise, in pixels of a picture of this side. */
export function outline(theta, side) {
  const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]];
  return corners.map((corner) => apply(theta, corner).map((value) => ((value + 1) / 2) * side));
}

/** Scale, angle in degrees, shear and shift of what a theta reads. */
export function decompose([a, b, tx, c, d, ty]) {
  const scaleX = Math.hypot(a, c);
  const shear = (a * b + c * d) / scaleX;
  const scaleY = (a * d - b * c) / scaleX;
  return { scaleX, scaleY, degrees: (Math.atan2(c, a) * 180) / Math.PI, shear: shear / scaleY, tx, ty };
}

/** Two rows of three numbers. */
export function matrixText(theta) {
  const [a, b, tx, c, d, ty] = theta.map((value) => value.toFixed(2).padStart(6));
  return `${a} ${b} ${tx}\n${c} ${d} ${ty}`;
}

/** What a theta does to the picture, in words. */
export function inWords(theta) {
  const { scaleX, scaleY, degrees, shear, tx, ty } = decompose(theta);
  const said = [];
  const zoom = 1 / Math.sqrt(Math.abs(scaleX * scaleY));
  if (Math.abs(zoom - 1) > 0.03) said.push(zoom > 1 ? `enlarges ${zoom.toFixed(2)} times` : `shrinks to ${Math.round(100 * zoom)} %`);
  if (Math.abs(degrees) > 1) {
    said.push(`turns ${Math.abs(degrees).toFixed(0)}° ${degrees > 0 ? "counter-clockwise" : "clockwise"}`);
  }
  if (Math.abs(shear) > 0.05) said.push(`shears by ${shear.toFixed(2)}`);
  if (Math.abs(tx) > 0.02) said.push(`looks ${Math.round(50 * Math.abs(tx))} % ${tx > 0 ? "right" : "left"}`);
  if (Math.abs(ty) > 0.02) said.push(`looks ${Math.round(50 * Math.abs(ty))} % ${ty > 0 ? "down" : "up"}`);
  return said.length ? said.join(", ") : "leaves the picture as it is";
}
