"""Transform families: theta -> source coordinates. A new one is one file and one line here."""

from stn_keras._arguments import check_choice
from stn_keras.transforms.affine import Affine
from stn_keras.transforms.base import Transform

FAMILIES = {"affine": Affine}

__all__ = ["FAMILIES", "Affine", "Transform", "get"]


def get(transform: str | Transform, align_corners: bool = False) -> Transform:
    """The transform of a name, or the transform itself.

    Args:
        transform: a name in `FAMILIES`, or a `Transform`.
        align_corners: convention of a transform made from its name; one passed as an object has its
            own and must agree.

    Returns:
        A `Transform`.

    Raises:
        ValueError: unknown name, or an object of the other convention.

    Example:
        >>> get("affine")
        Affine(align_corners=False)
    """
    if isinstance(transform, Transform):
        if transform.align_corners != align_corners:
            raise ValueError(
                "`align_corners` of the transform and of the layer must agree. "
                f"Received: transform={transform!r}, align_corners={align_corners}"
            )
        return transform
    return FAMILIES[check_choice("transform", transform, FAMILIES)](align_corners=align_corners)
