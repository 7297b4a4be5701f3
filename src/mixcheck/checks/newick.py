"""Trees in Newick's format, read into what their leaves share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mixcheck.errors import OptionError
from mixcheck.options import shown

__all__ = ["read_newick"]

_TOKEN = re.compile(
    r"\s*(?:(?P<mark>[(),;:])|'(?P<quoted>(?:[^']|'')*)'|(?P<bare>[^\s(),;:\[\]']+))"
)
_COMMENT = re.compile(r"\[[^\]]*\]")


@dataclass(eq=False)
class _Clade:
    """The leaves below a node, by position, while the tree is read."""

    leaves: list[int] = field(default_factory=list)


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
        If it is no tree, a length is missing, or two leaves have one name.

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
    names, branches = _branches(_tokens(text))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise OptionError(f"two leaves of the tree are called {shown(twice)}")
    shared = np.zeros((len(names), len(names)))
    for leaves, length in branches:
        shared[np.ix_(leaves, leaves)] += length
    largest = float(shared.max(initial=0.0))
    if largest <= 0.0:
        raise OptionError("the branches of the tree need lengths, such as '((a:1,b:1):1,c:2);'")
    return pd.DataFrame(shared / largest, index=names, columns=names)


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


def _branches(tokens: list[tuple[str, str]]) -> tuple[list[str], list[tuple[list[int], float]]]:
    """Names of the leaves, and for each branch the leaves above it and its length.

    Read with a stack of open clades, so that the depth of a tree is no matter.
    """
    names: list[str] = []
    branches: list[tuple[list[int], float]] = []
    stack: list[_Clade] = [_Clade()]
    last: list[int] = []
    expects_length = False
    for kind, told in tokens:
        if kind == "mark":
            if told == "(":
                stack.append(_Clade())
            elif told in "),":
                stack[-1].leaves += last
                last = []
                if told == ")":
                    if len(stack) < 2:
                        raise _refused(told)
                    last = stack.pop().leaves
            elif told == ":":
                expects_length = True
        elif expects_length:
            branches.append((last, _length(told)))
            expects_length = False
        elif not last:
            names.append(told)
            last = [len(names) - 1]
    if len(stack) != 1 or len(names) < 2:
        raise _refused("".join(told for _, told in tokens)[:20])
    return names, branches


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
