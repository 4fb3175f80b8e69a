"""Tables as text."""


def markdown_table(rows):
    """Rows of strings, the first the heading, as a Markdown table; numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
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


def _align(row, widths):
    first, *rest = row
    return [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))]
