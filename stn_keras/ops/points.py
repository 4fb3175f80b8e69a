"""Annotations through a warp: points, boxes, and boxes as windows to read."""

import functools
from typing import Any

import keras
from keras import ops

from stn_keras import transforms
from stn_keras._arguments import (
    Size,
    Tensor,
    any_symbolic,
    array_to_tensor,
    check_choice,
    check_size,
    widest_float,
)
from stn_keras.transforms import Transform

DIRECTIONS = ("output_to_input", "input_to_output")
BOX_FORMATS = (
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "center_yxhw",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
    "rel_center_xywh",
)
# A pixel's center lies half a pixel from its edges.
_HALF_PIXEL = 0.5


def transform_points(
    theta: Any,
    points: Any,
    *,
    output_size: int | Size,
    input_size: int | Size,
    transform: str | Transform = "affine",
    direction: str = "output_to_input",
    align_corners: bool | None = None,
) -> Tensor:
    """Carry points from a warped image to the original, or back. Differentiable to both.

    Convention: points are (x, y) in pixels, (0, 0) is the center of the top left pixel.
    "output_to_input" is the direction of theta: where in the original the warped image's points
    were read. "input_to_output" says where in the warped image the original's points are seen.

    Args:
        theta: (N, P) or as the transform's formula has it, (N, 2, 3); (P,) for all points.
        points: (N, K, 2), or (K, 2) for every theta; of volumes (x, y, z).
        output_size: (height, width) of the warped images, or (depth, height, width), one integer
            for all.
        input_size: of the originals, the same.
        transform: a name in `stn_keras.transforms.FAMILIES`, or a `Transform`.
        direction: "output_to_input" or "input_to_output".
        align_corners: where -1 and 1 lie; None: as the transform has it, False for a name.

    Returns:
        (N, K, rank), float32, or float64 for a float64 theta. NaN behind a homography's camera and
        outside a flow's grid; back from a spline or a flow, NaN where a point is not seen.

    Raises:
        ValueError: an unknown name, shapes that do not fit, or counts that differ and are not 1.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equation 1.

    Example:
        >>> half_a_width = [[1.0, 0, 1, 0, 1, 0]]
        >>> sizes = {"output_size": (28, 28), "input_size": (28, 28)}
        >>> there = transform_points(half_a_width, [[0.0, 5.0]], **sizes)
        >>> ops.convert_to_numpy(there)[0, 0].tolist()
        [14.0, 5.0]
        >>> back = transform_points(half_a_width, there, direction="input_to_output", **sizes)
        >>> ops.convert_to_numpy(back)[0, 0].tolist()
        [0.0, 5.0]
    """
    transform = transforms.get(transform, align_corners)
    operation = TransformPoints(
        transform,
        check_size("output_size", output_size, transform.rank),
        check_size("input_size", input_size, transform.rank),
        check_choice("direction", direction, DIRECTIONS),
    )
    theta, points = array_to_tensor(theta), array_to_tensor(points)
    if tuple(theta.shape) in (
        (operation.transform.num_parameters,),
        operation.transform.theta_shape,
    ):
        theta = theta[None]
    operation.check(theta, points)
    return (
        operation(theta, points) if any_symbolic(theta, points) else operation.call(theta, points)
    )


@keras.saving.register_keras_serializable(package="stn_keras")
class TransformPoints(keras.Operation):
    """`transform_points` of symbolic tensors, as a functional model holds it.

    theta (N, P) and points (N, K, 2) or (K, 2) -> (N, K, 2).
    """

    def __init__(self, transform, output_size, input_size, direction, name=None):
        super().__init__(name=name)
        self.transform, self.direction = transform, direction
        self.output_size, self.input_size = output_size, input_size

    def check(self, theta, points):
        """Refuse shapes that do not fit together."""
        shapes = f"theta.shape={tuple(theta.shape)}, points.shape={tuple(points.shape)}"
        if len(points.shape) not in (2, 3) or points.shape[-1] != self.transform.rank:
            rank = self.transform.rank
            raise ValueError(f"Expected points (N, K, {rank}) or (K, {rank}). Received: {shapes}")
        batches = {theta.shape[0], points.shape[0] if len(points.shape) == 3 else 1}
        if len({batch for batch in batches if isinstance(batch, int)} - {1}) > 1:
            raise ValueError(f"Expected as many thetas as sets of points. Received: {shapes}")

    def call(self, theta, points):
        theta = ops.cast(theta, widest_float(theta.dtype))
        points = ops.cast(points, theta.dtype)
        if len(points.shape) == 3 and theta.shape[0] == 1:
            shape = (ops.shape(points)[0], *theta.shape[1:])
            theta = ops.broadcast_to(theta, shape)
        sizes = {"output_size": self.output_size, "input_size": self.input_size}
        if self.direction == "input_to_output":
            return self.transform.target_points(theta, points, **sizes)
        moved = self.transform.source_points(theta, points, **sizes)
        nan = ops.full_like(moved, float("nan"))
        return ops.where(ops.isfinite(moved), moved, nan)

    def compute_output_spec(self, theta, points):
        batch = theta.shape[0]
        if len(points.shape) == 3 and batch == 1:
            batch = points.shape[0]
        return keras.KerasTensor((batch, *points.shape[-2:]), widest_float(theta.dtype))

    def get_config(self):
        return {
            "name": self.name,
            "transform": keras.saving.serialize_keras_object(self.transform),
            "output_size": self.output_size,
            "input_size": self.input_size,
            "direction": self.direction,
        }

    @classmethod
    def from_config(cls, config):
        transform = keras.saving.deserialize_keras_object(config["transform"])
        return cls(**{**config, "transform": transform})


def transform_boxes(
    theta: Any,
    boxes: Any,
    *,
    output_size: int | Size,
    input_size: int | Size,
    transform: str | Transform = "affine",
    direction: str = "output_to_input",
    bounding_box_format: str = "xyxy",
    align_corners: bool | None = None,
) -> Tensor:
    """Carry boxes from a warped image to the original, or back: the boxes around their corners.

    Convention: a box's sides are edges of pixels, as in Keras: (0, 0, width, height) is the whole
    image, and its corner x = 0 is the point x = -0.5 of `transform_points`. Boxes are not clipped.

    Args:
        theta: as in `transform_points`.
        boxes: (N, K, 4), or (K, 4) for every theta.
        output_size: (height, width) of the warped images, one integer for a square.
        input_size: (height, width) of the originals.
        transform: a name in `stn_keras.transforms.FAMILIES`, or a `Transform`.
        direction: as in `transform_points`.
        bounding_box_format: of the boxes and of the result, as in
            `keras.utils.bounding_boxes.convert_format`: "xyxy", "yxyx", "xywh", "center_xywh",
            "center_yxhw", or relative, "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh".
        align_corners: where -1 and 1 lie; None: as the transform has it, False for a name.

    Returns:
        (N, K, 4) in the same format; NaN where a corner is nowhere to be seen.

    Raises:
        ValueError: as `transform_points`, or an unknown format.

    Example:
        >>> half = [[0.5, 0, 0, 0, 0.5, 0]]  # reads the middle of the image
        >>> sizes = {"output_size": (20, 20), "input_size": (40, 40)}
        >>> whole = transform_boxes(half, [[0.0, 0, 20, 20]], **sizes)
        >>> ops.convert_to_numpy(whole)[0, 0].tolist()
        [10.0, 10.0, 30.0, 30.0]
    """
    transform = transforms.get(transform, align_corners, rank=2)
    sizes = check_size("output_size", output_size), check_size("input_size", input_size)
    check_choice("direction", direction, DIRECTIONS)
    before, after = sizes if direction == "output_to_input" else reversed(sizes)
    boxes = _to_edges(boxes, bounding_box_format, before)
    corners = _corners(boxes) - _HALF_PIXEL
    moved = transform_points(
        theta,
        ops.reshape(corners, (*ops.shape(boxes)[:-2], 4 * ops.shape(boxes)[-2], 2)),
        output_size=sizes[0],
        input_size=sizes[1],
        transform=transform,
        direction=direction,
        align_corners=align_corners,
    )
    shape = ops.shape(moved)[0], ops.shape(boxes)[-2], 4, 2
    corners = ops.unstack(ops.reshape(moved, shape) + _HALF_PIXEL, axis=2)
    least, negated = _least(corners), _least([-corner for corner in corners])
    around = ops.concatenate([least, -negated], axis=-1)
    return _convert(around, "xyxy", bounding_box_format, after)


def theta_from_boxes(
    boxes: Any, *, input_size: int | Size, bounding_box_format: str = "xyxy"
) -> Tensor:
    """The affine thetas that read boxes.

    `ops.warp(images, theta, output_size=7, supersample=2)` is then RoIAlign with a sampling ratio
    of 2, for boxes inside the image.

    Convention: as `transform_boxes`; `align_corners=False`.

    Args:
        boxes: (N, K, 4), or (N, 4).
        input_size: (height, width) of the images that are read.
        bounding_box_format: as in `transform_boxes`.

    Returns:
        theta (N, K, 6), or (N, 6), float32 or float64.

    Raises:
        ValueError: boxes of another shape, or an unknown format.

    Reference:
        He et al. 2017, Mask R-CNN (arXiv:1703.06870), section 3.

    Example:
        >>> theta = theta_from_boxes([[0, 0, 14, 28]], input_size=(28, 28))  # the left half
        >>> ops.convert_to_numpy(theta)[0].tolist()
        [0.5, 0.0, -0.5, 0.0, 1.0, 0.0]
    """
    height, width = input_size = check_size("input_size", input_size)
    boxes = _to_edges(boxes, bounding_box_format, input_size)
    left, top, right, bottom = (boxes[..., side] for side in range(4))
    zero = ops.zeros_like(left)
    across = (right - left) / width, zero, (left + right) / width - 1
    down = zero, (bottom - top) / height, (top + bottom) / height - 1
    return ops.stack([*across, *down], axis=-1)


def _to_edges(boxes, bounding_box_format, size):
    """Boxes (..., K, 4) as left, top, right and bottom, in pixels."""
    check_choice("bounding_box_format", bounding_box_format, BOX_FORMATS)
    boxes = array_to_tensor(boxes)
    if len(boxes.shape) not in (2, 3) or boxes.shape[-1] != 4:
        raise ValueError(
            f"Expected boxes (N, K, 4) or (K, 4). Received: boxes.shape={tuple(boxes.shape)}"
        )
    boxes = ops.cast(boxes, widest_float(boxes.dtype))
    return _convert(boxes, bounding_box_format, "xyxy", size)


def _convert(boxes, source, target, size):
    if source == target:
        return boxes
    height, width = size
    dtype = keras.backend.standardize_dtype(boxes.dtype)
    return keras.utils.bounding_boxes.convert_format(
        boxes, source, target, height=height, width=width, dtype=dtype
    )


def _least(tensors):
    """The least of some tensors, NaN where one is; Keras's `min` takes no empty ones."""

    def lesser(one, other):
        return ops.where(ops.logical_or(one < other, ops.isnan(one)), one, other)

    return functools.reduce(lesser, tensors)


def _corners(boxes):
    """(..., K, 4) -> (..., K, 4, 2), around each box."""
    left, top, right, bottom = (boxes[..., side] for side in range(4))
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return ops.stack([ops.stack(corner, axis=-1) for corner in corners], axis=-2)
