"""Errors of an export."""


class ExportError(ValueError):
    """The model, the images or the result are not as expected; one line says how."""


class UnregisteredError(ExportError):
    """The model has a class that no imported module has registered."""
