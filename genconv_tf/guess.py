"""What a user may have meant."""

import difflib


def did_you_mean(word, words):
    """`" (did you mean …?)"` with the nearest of `words`, or nothing where none is near."""
    near = difflib.get_close_matches(str(word), words, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
