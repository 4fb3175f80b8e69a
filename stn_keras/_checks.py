"""Argument checks shared by ops, transforms and layers."""

import numbers


def check_choice(name, value, allowed):
    """Refuse a value that is not among the allowed ones, naming them."""
    if value not in tuple(allowed):
        choices = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected one of {{{choices}}}. "
            f"Received: {name}={value!r}"
        )
    return value


def check_size(name, value):
    """(height, width) as a tuple of positive integers; one integer stands for both."""
    size = (value, value) if isinstance(value, numbers.Integral) else value
    if (
        not isinstance(size, (tuple, list))
        or len(size) != 2
        or not all(isinstance(n, numbers.Integral) and n > 0 for n in size)
    ):
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected (height, width), positive integers. "
            f"Received: {name}={value!r}"
        )
    return tuple(int(n) for n in size)
