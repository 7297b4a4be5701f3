"""Trees in Newick's format, read into what their leaves share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError

__all__ = ["read_newick"]

_TOKEN = re.compile(
    r"\s*(?:(?P<mark>[(),;:])|'(?P<quoted>(?:[^']|'')*)'|(?P<bare>[^\s(),;:\[\]']+))"
)
_COMMENT = re.compile(r"\[[^\]]*\]")


@dataclass(eq=False)
class _Clade:
    """A node while the tree is read: the leaves below it are `start` to `end`.

    Attributes
    ----------
    start, end : int
    length : float
        Of the branch above it.
    children : list of _Clade
    depth : float
        Length of the way from the root.
    """

    start: int
    end: int = 0
    length: float = 0.0
    children: list[_Clade] = field(default_factory=list)
    depth: float = 0.0


def read_newick(text: str) -> pd.DataFrame:
    """Shared ways from the root: ``K_kl`` is the length of the branches above both leaves.

    This is the covariance of a trait that moves as a Brownian motion along the tree, scaled
    to a largest variance of one.

    Parameters
    ----------
    text : str
        With a length for each branch; names of inner nodes and comments are not used.

    Returns
    -------
    DataFrame
        (m, m), named by the leaves.

    Raises
    ------
    OptionError
        If it is not a tree, a length is missing, or two leaves have one name.

    References
    ----------
    Felsenstein (1985), Phylogenies and the comparative method, Am. Nat. 125, 1-15.

    Examples
    --------
    >>> read_newick("((a:1,b:1):1,c:2);")
         a    b    c
    a  1.0  0.5  0.0
    b  0.5  1.0  0.0
    c  0.0  0.0  1.0
    """
    names, root = _grow(_tokens(text))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise OptionError(f"two leaves of the tree are called {shown(twice)}")
    shared = _share(root, len(names))
    largest = float(shared.max(initial=0.0))
    if largest <= 0.0:
        raise OptionError("the branches of the tree need lengths, such as '((a:1,b:1):1,c:2);'")
    return pd.DataFrame(shared / largest, index=names, columns=names)


def _share(root: _Clade, leaves: int) -> FloatArray:
    """Depth of the last common node of each pair: every pair is written once."""
    shared = np.zeros((leaves, leaves))
    waiting = [root]
    while waiting:
        clade = waiting.pop()
        if not clade.children:
            shared[clade.start, clade.start] = clade.depth
        for child in clade.children:
            child.depth = clade.depth + child.length
            shared[clade.start : child.start, child.start : child.end] = clade.depth
            shared[child.start : child.end, clade.start : child.start] = clade.depth
            waiting.append(child)
    return shared


def _tokens(text: str) -> list[tuple[str, str]]:
    """Marks and names, in their order."""
    text = _COMMENT.sub(" ", text).strip()
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _refused(text[at : at + 20])
        kind = match.lastgroup or ""
        told = match.group(kind)
        tokens.append((kind, told.replace("''", "'") if kind == "quoted" else told))
        at = match.end()
    return tokens


def _grow(tokens: list[tuple[str, str]]) -> tuple[list[str], _Clade]:
    """Names of the leaves, and the root; with a list of open clades, however deep the tree."""
    names: list[str] = []
    opened = [_Clade(0)]
    last: _Clade | None = None
    expects_length = False
    for kind, told in tokens:
        if kind != "mark":
            if expects_length and last is not None:
                last.length = _length(told)
            elif last is None:
                names.append(told)
                last = _Clade(len(names) - 1, len(names))
            expects_length = False
        elif told == "(":
            opened.append(_Clade(len(names)))
        elif told in "),":
            if last is None or (told == ")" and len(opened) < 2):
                raise _refused(told)
            opened[-1].children.append(last)
            last = None
            if told == ")":
                last = opened.pop()
                last.end = len(names)
        else:
            expects_length = told == ":"
    if len(opened) != 1 or last is None or len(names) < 2:
        raise _refused("".join(told for _, told in tokens)[:20])
    return names, last


def _length(told: str) -> float:
    try:
        length = float(told)
    except ValueError:
        length = float("nan")
    if not 0.0 <= length < float("inf"):
        raise OptionError(f"the length of a branch must be a number from 0, found {shown(told)}")
    return length


def _refused(near: str) -> OptionError:
    return OptionError(
        "tree must be in Newick's format with lengths of branches, such as '((a:1,b:1):1,c:2);'; "
        f"it cannot be read at {shown(near)}"
    )
