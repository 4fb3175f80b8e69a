"""What can go wrong in an export."""


class ExportError(ValueError):
    """The model, the images or the result are not as expected; one line says how."""


def one_line(error, length=200):
    """The beginning of an exception's message, on one line."""
    return " ".join(str(error).split())[:length] or type(error).__name__
