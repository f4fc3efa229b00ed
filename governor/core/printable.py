"""Text from outside, made harmless for a line of a log or a terminal."""


def printable(text: str, keep: str = "") -> str:
    r"""Return *text* with what would steer a terminal or end a line written out, such as `\x1b`.

    Line ends, escape sequences, marks that turn the direction of writing and half characters are
    such; what is in *keep* stays.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else ascii(one)[1:-1] for one in text)
