"""Tables as text."""


def markdown_table(rows):
    """Rows of strings, the first the heading, as a Markdown table; numbers to the right.

    Example:
        >>> print(markdown_table([["model", "p"], ["stn-cnn", "1"]]))
        | model   |  p |
        | ------- | -: |
        | stn-cnn |  1 |
    """
    # A rule of one character would be no rule.
    widths = [max(2, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    heading, *body = (_align(row, widths) for row in rows)
    return "\n".join("| " + " | ".join(row) + " |" for row in (heading, rule, *body))


def percent(accuracy):
    """An accuracy {"mean", "standard_error"} as text, or nothing for None."""
    if accuracy is None:
        return ""
    text = f"{100 * accuracy['mean']:.2f}"
    error = accuracy["standard_error"]
    return text if error is None else f"{text} ± {100 * error:.2f}"


def p_value(probability):
    """A test's p-value as text.

    Example:
        >>> p_value(0.0123), p_value(0.0)  # the second is less than a float64 can hold
        ('0.012', '< 1e-300')
    """
    return f"{probability:.2g}" if probability >= 1e-300 else "< 1e-300"


def _align(row, widths):
    first, *rest = row
    return [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))]
