"""Transform families: theta -> source coordinates. A new one is one file and one line here."""

from collections.abc import Callable

from stn_keras._arguments import check_choice
from stn_keras.transforms.affine import Affine, AffineFamily
from stn_keras.transforms.attention import Attention
from stn_keras.transforms.axis_aligned import AxisAligned
from stn_keras.transforms.base import Transform
from stn_keras.transforms.decomposed_affine import DecomposedAffine
from stn_keras.transforms.dense_flow import DenseFlow
from stn_keras.transforms.homography import Homography
from stn_keras.transforms.parameters import Parameter
from stn_keras.transforms.rotation import Rotation
from stn_keras.transforms.similarity import Similarity
from stn_keras.transforms.thin_plate_spline import ThinPlateSpline, control_points
from stn_keras.transforms.translation import Translation

# Those that need no argument; `DenseFlow` is passed as an object.
FAMILIES: dict[str, Callable[..., Transform]] = {
    "affine": Affine,
    "attention": Attention,
    "axis_aligned": AxisAligned,
    "decomposed_affine": DecomposedAffine,
    "homography": Homography,
    "rotation": Rotation,
    "similarity": Similarity,
    "tps": ThinPlateSpline,
    "translation": Translation,
}

__all__ = [
    "FAMILIES",
    "Affine",
    "AffineFamily",
    "Attention",
    "AxisAligned",
    "DecomposedAffine",
    "DenseFlow",
    "Homography",
    "Parameter",
    "Rotation",
    "Similarity",
    "ThinPlateSpline",
    "Transform",
    "Translation",
    "control_points",
    "get",
]


def get(
    transform: str | Transform, align_corners: bool | None = None, rank: int | None = None
) -> Transform:
    """The transform of a name, or the transform itself.

    Args:
        transform: a name in `FAMILIES`, or a `Transform`.
        align_corners: convention of a transform made from its name, None: False. A transform passed
            as an object has its own; None takes it, another one is refused.
        rank: 2, or 3 for volumes, of a transform made from its name, None: 2. An object has its
            own; None takes it, another one is refused.

    Returns:
        A `Transform`.

    Raises:
        ValueError: unknown name, or an object of the other convention or rank.

    Example:
        >>> get("affine")
        Affine(align_corners=False, rank=2)
    """
    if not isinstance(transform, Transform):
        family = FAMILIES[check_choice("transform", transform, FAMILIES)]
        align_corners = False if align_corners is None else align_corners
        return family(align_corners=align_corners, rank=rank or 2)
    if rank not in (None, transform.rank):
        raise ValueError(
            "Expected `rank` to be None or the transform's own. "
            f"Received: transform={transform!r}, rank={rank}"
        )
    if align_corners not in (None, transform.align_corners):
        raise ValueError(
            "Expected `align_corners` to be None or the transform's own. "
            f"Received: transform={transform!r}, align_corners={align_corners}"
        )
    return transform
