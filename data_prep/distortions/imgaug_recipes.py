"""The distortions, as data: for each family the arguments of `imgaug.augmenters.Affine`.

Angles are in degrees, scales are factors, shifts are parts of the image's size. Every image gets
one family, drawn uniformly, with parameters drawn uniformly from the ranges. A range is a tuple:
imgaug takes a list for a choice between its members.
"""

_SHIFT = {"x": (-0.2, 0.2), "y": (-0.2, 0.2)}
_STRONG_SCALE = {"x": (0.5, 1.3), "y": (0.5, 1.3)}
_STRONG_SHIFT = {"x": (-0.3, 0.3), "y": (-0.3, 0.3)}

# The five of the "Hands-on" Keras post.
POST = {
    "scale": {"scale": (0.5, 1.3)},
    "rotate": {"rotate": (-60, 60)},
    "shear": {"shear": (-40, 40)},
    "scale-shift": {"scale": (0.6, 1.1), "translate_percent": _SHIFT},
    "all": {
        "scale": (0.6, 1.1),
        "translate_percent": _SHIFT,
        "rotate": (-30, 30),
        "shear": (-15, 15),
    },
}

# The stronger set of the post's repository.
STRONG = {
    "all": {
        "scale": _STRONG_SCALE,
        "translate_percent": _STRONG_SHIFT,
        "rotate": (-75, 75),
        "shear": (-30, 30),
    },
    "scale": {"scale": _STRONG_SCALE},
    "shift": {"translate_percent": _STRONG_SHIFT},
    "rotate": {"rotate": (-75, 75)},
    "shear": {"shear": (-30, 30)},
}

RECIPES = {"post": POST, "strong": STRONG}
