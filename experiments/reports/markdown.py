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


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: auto; padding: 1rem; }}
img {{ max-width: 100%; background: white; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
th, td {{ padding: 0.2rem 0.7rem; border-bottom: 1px solid #8886; white-space: nowrap; }}
pre {{ padding: 0.7rem; overflow-x: auto; background: #8882; }}
</style>
{body}
</html>
"""


def page(title, text):
    """Markdown as a page for a browser.

    Example:
        >>> "<h1>Signs</h1>" in page("Signs", "# Signs")
        True
    """
    from html import escape

    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return PAGE.format(title=escape(title), body=body)


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
