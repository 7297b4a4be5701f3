"""Formulas: text to terms, no data touched.

The language of terms is in ``terms``, that of expressions in ``syntax``. This module takes out
what stands beside the fixed terms: the response, ``offset()``, and the bars of random terms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import Final, NoReturn, TypeAlias

from mixcheck.design.brackets import Source, brief, scan
from mixcheck.design.covariances import DEFAULT, STRUCTURES
from mixcheck.design.evaluation import names_of
from mixcheck.design.functions import FUNCTIONS
from mixcheck.design.model_formula import (
    ModelFormula,
    PredictorFormula,
    RandomTerm,
    ResponseFormula,
    find_tilde,
)
from mixcheck.design.nodes import NAME, Braces, Node, quote_name, unquote_name
from mixcheck.design.syntax import parse_node, read_node
from mixcheck.design.terms import Term, expand, render_factor, render_terms, terms_of
from mixcheck.errors import FormulaError

__all__ = ["has_terms", "parse_formula", "quote_name", "time_of", "unquote_name", "with_offset"]

_MOST_GROUPS: Final = 1000
# A sign after one of these belongs to what follows it, and so does one in a number.
_BEFORE_SIGN: Final = re.compile(r"[*/:^%<>=!&|~]\s*$|(?<![\w.])(?:\d+\.?\d*|\.\d+)[eE]$")


_NOTHING: Final = PredictorFormula("0", (), ())

_Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class _Item:
    """One summand of a right side: its sign and its span."""

    sign: str
    start: int
    end: int


def parse_formula(text: str, /, **parts: str | None) -> ModelFormula:
    """Take a formula apart.

    Parameters
    ----------
    text : str
        ``response ~ fixed effects + (effects | group) + offset(expression)``. The response is
        an expression, ``k / n`` or ``cbind(k, n - k)``. The bars are lme4's: ``(x | g)``
        correlated, ``(x || g)`` independent term by term, ``(1 | a/b)`` nested, ``(1 | a:b)``
        crossed, ``diag(x | g)`` diagonal.
    **parts : str, optional
        One-sided formulas, ``~ x + (1 | g)``, by the predictor that they are of, such as
        ``dispersion`` and ``zi``.

    Raises
    ------
    FormulaError
        If a formula cannot be read; the message marks the position.

    Examples
    --------
    >>> formula = parse_formula("y ~ x + (x || site) + offset(log(effort))")
    >>> [str(term) for term in formula.predictor("mean").random]
    ['(1 | site)', '(0 + x | site)']
    >>> formula.predictor("mean").offsets
    ('log(effort)',)
    """
    if not isinstance(text, str):
        raise FormulaError(
            f"The formula must be a text such as 'y ~ x + (1 | g)', not {type(text).__name__}."
        )
    given = {name: part for name, part in parts.items() if part is not None}
    for name, part in given.items():
        _require_one_sided(part, name)
    return _parse(text, tuple(given.items()))


def _require_one_sided(given: object, name: str) -> None:
    if not isinstance(given, str):
        raise FormulaError(
            f"{name} must be a formula without a left side, such as '~ 1' or '~ x', not "
            f"{type(given).__name__}."
        )


@lru_cache(maxsize=256)
def _parse(text: str, parts: tuple[tuple[str, str], ...]) -> ModelFormula:
    source = scan(text)
    tilde = find_tilde(source)
    predictors = [("mean", _predictor(source, tilde + 1))]
    for name, given in parts:
        part = _one_sided(given)
        if part != _NOTHING:
            predictors.append((name, part))
        elif name != "zi":
            raise FormulaError(
                f"{name}={given!r} leaves nothing to estimate, and would fix the "
                f"{name} at a number that nobody chose; write '~ 1' for one {name}, or "
                "'~ 0 + offset(w)' for a column of known logarithms."
            )
    return ModelFormula(text.strip(), _response(source, tilde), tuple(predictors))


def has_terms(text: str, name: str = "zi") -> bool:
    """Whether a formula without a left side, called `name`, has anything on its right.

    ``~ 0`` has nothing: as in glmmTMB, a zero part of that formula is not a zero part.

    Examples
    --------
    >>> has_terms("~ 0"), has_terms("~ 1"), has_terms("~ 0 + (1 | g)")
    (False, True, True)
    """
    _require_one_sided(text, name)
    return _one_sided(text) != _NOTHING


def with_offset(formula: ModelFormula, name: str, offset: Node) -> ModelFormula:
    """Formula with one more offset, given by its node, in the predictor called `name`."""
    predictors = tuple(
        (
            key,
            replace(part, offsets=(*part.offsets, render_factor(offset))) if key == name else part,
        )
        for key, part in formula.predictors
    )
    return replace(formula, predictors=predictors)


def _one_sided(text: str) -> PredictorFormula:
    """Predictor of a formula without response."""
    source = scan(text)
    tildes = source.find(0, len(text), "~")
    if tildes and source.part(0, tildes[0]):
        source.fail(0, "Only the formula of the mean has a response; begin this one with `~`.")
    return _predictor(source, tildes[0] + 1 if tildes else 0)


def _response(source: Source, end: int) -> ResponseFormula:
    start, end = source.peel(0, end)
    bars = source.find(start, end, "|")
    if bars:
        source.fail(bars[0], "A bar before `~`; random terms stand on the right side.")
    call = _call(source, start, end)
    if call is not None and call[0] == "cbind":
        return _cbind(source, *call[1])
    slashes = source.find(start, end, "/")
    if len(slashes) == 1 and not source.find(start, end, "+-*%<>=&!:^"):
        spans = [(start, slashes[0]), (slashes[0] + 1, end)]
    else:
        spans = [(start, end)]
    parts = tuple(_expression(source, *span) for span in spans)
    if not any(names_of(parse_node(part))[0] for part in parts):
        source.fail(start, "The response must have a column; write `y ~ ..`.")
    return ResponseFormula("single" if len(parts) == 1 else "ratio", parts)


def _cbind(source: Source, start: int, end: int) -> ResponseFormula:
    """Successes and failures."""
    commas = source.find(start, end, ",")
    if len(commas) != 1:
        source.fail(start, "`cbind` takes two: write `cbind(successes, failures)`.")
    spans = ((start, commas[0]), (commas[0] + 1, end))
    return ResponseFormula("cbind", tuple(_expression(source, *span) for span in spans))


def _predictor(source: Source, start: int) -> PredictorFormula:
    """Right side from `start` to the end."""
    end = len(source.text)
    start, end = source.strip(start, end)
    if start == end:
        source.fail(end, "Nothing after `~`; write `~ 1` for an intercept alone.")
    fixed: list[_Item] = []
    random: list[RandomTerm] = []
    offsets: list[str] = []
    for item in _summands(source, start, end):
        if _sort_item(source, item, random, offsets):
            fixed.append(item)
    return PredictorFormula(_fixed(source, fixed), tuple(random), tuple(offsets))


def _summands(source: Source, start: int, end: int) -> list[_Item]:
    """Split at plus and minus, also inside parentheses around a sum."""
    items: list[_Item] = []
    for item in _split_signs(source, start, end):
        inner = source.peel(item.start, item.end)
        wrapped = inner != (item.start, item.end)
        if not wrapped or source.find(*inner, "|"):
            items.append(item)
        elif item.sign == "+":
            items.extend(_opened(source, item, inner))
        elif _has_special(source, *inner):
            source.fail(item.start, "A random term or an offset cannot be subtracted.")
        else:
            items.append(item)
    return items


def _opened(source: Source, item: _Item, inner: _Span) -> list[_Item]:
    """Summands of a sum in parentheses; the whole where it takes something from itself alone."""
    items = _summands(source, *inner)
    if all(part.sign == "+" or source.part(part.start, part.end) in ("0", "1") for part in items):
        return items
    if _has_special(source, *inner):
        source.fail(
            item.start,
            "Write what is subtracted outside of parentheses with a random term in them.",
        )
    return [item]


def _split_signs(source: Source, start: int, end: int) -> list[_Item]:
    items: list[_Item] = []
    sign, begin = "+", start
    for position in [*source.find(start, end, "+-"), end]:
        last = position == end
        if not last and _BEFORE_SIGN.search(source.text, begin, position):
            continue
        if source.text[position : position + 2] == "->":
            source.fail(position, "Nothing can be assigned in a formula.")
        span = source.strip(begin, position)
        if span[0] < span[1]:
            items.append(_Item(sign, *span))
            sign = "+"
        elif last:
            source.fail(max(begin - 1, 0), "Nothing follows this sign; write a term or remove it.")
        if not last:
            sign = "-" if (source.text[position] == "-") != (sign == "-") else "+"
        begin = position + 1
    return items


def _has_special(source: Source, start: int, end: int) -> bool:
    """Whether a sum holds random terms or offsets among its summands."""
    for item in _split_signs(source, start, end):
        inner = source.peel(item.start, item.end)
        call = _call(source, *inner)
        if call is not None and (call[0] == "offset" or _is_named_term(source, *call)):
            return True
        if inner != (item.start, item.end) and (
            source.find(*inner, "|") or _has_special(source, *inner)
        ):
            return True
    return False


def _sort_item(source: Source, item: _Item, random: list[RandomTerm], offsets: list[str]) -> bool:
    """File a summand among random terms or offsets; True if it is a fixed one."""
    bare = source.find(item.start, item.end, "|")
    if bare:
        source.fail(
            bare[0],
            f"A bar needs parentheses; write `({brief(source.part(item.start, item.end))})`.",
        )
    start, end = source.peel(item.start, item.end)
    call = _call(source, start, end)
    if call is not None and call[0] == "offset":
        commas = source.find(*call[1], ",")
        if commas:
            source.fail(commas[0], "`offset` takes one expression; write `offset(x) + offset(z)`.")
        offsets.append(_expression(source, *call[1]))
    elif (start, end) != (item.start, item.end) and source.find(start, end, "|"):
        _add_terms(source, (start, end), DEFAULT, (), random)
    elif call is not None and _is_structure(source, start, *call):
        span, arguments = _arguments(source, *call)
        _add_terms(source, span, call[0], arguments, random)
    else:
        return True
    if item.sign == "-":
        source.fail(item.start, "A random term or an offset cannot be subtracted.")
    return False


def _call(source: Source, start: int, end: int) -> tuple[str, _Span] | None:
    """Name and argument span, if the span is one call and nothing else."""
    match = NAME.match(source.text, start, end)
    if match is None:
        return None
    opening = source.strip(match.end(), end)[0]
    if opening >= end or source.text[opening] != "(" or source.partner[opening] != end - 1:
        return None
    return match.group(), (opening + 1, end - 1)


def _is_structure(source: Source, start: int, name: str, arguments: _Span) -> bool:
    """Whether a call is a random term with a named covariance structure."""
    if _is_named_term(source, name, arguments):
        return True
    bars = source.find(*source.peel(*arguments), "|")
    if name in STRUCTURES and name not in FUNCTIONS:
        source.fail(start, f"`{name}` needs a bar; write `{STRUCTURES[name].example}`.")
    if not bars or name in FUNCTIONS:
        return False
    near = get_close_matches(name, STRUCTURES, n=1)
    known = ", ".join(f"`{structure.example}`" for structure in STRUCTURES.values())
    meant = f" (`{near[0]}`?)" if near else ""
    return source.fail(start, f"Unknown covariance structure `{name}`{meant}; there are {known}.")


def _is_named_term(source: Source, name: str, arguments: _Span) -> bool:
    """Whether a call has the name of a structure, and a bar."""
    return name in STRUCTURES and bool(source.find(*source.peel(*arguments), "|"))


def _arguments(source: Source, name: str, inside: _Span) -> tuple[_Span, tuple[str, ...]]:
    """Effects and group of a term with a named structure, and what stands behind them."""
    structure, commas = STRUCTURES[name], source.find(*inside, ",")
    if len(commas) != structure.related:
        place = commas[-1] if len(commas) > structure.related else inside[0]
        what = "the name of a matrix behind the group" if structure.related else "no argument"
        source.fail(place, f"`{name}` takes {what}; write `{structure.example}`.")
    if not commas:
        return source.peel(*inside), ()
    matrix = source.part(commas[0] + 1, inside[1])
    if unquote_name(matrix) is None:
        source.fail(
            commas[0],
            f"`{brief(matrix)}` is no name; give the matrix in context= and write its name, "
            f"`{structure.example}`.",
        )
    return source.peel(inside[0], commas[0]), (matrix,)


def _add_terms(
    source: Source,
    span: _Span,
    structure: str,
    arguments: tuple[str, ...],
    found: list[RandomTerm],
) -> None:
    """Append the random terms of one bar."""
    start, end = span
    bars = source.find(start, end, "|")
    double = len(bars) == 2 and bars[1] == bars[0] + 1
    if len(bars) > 1 and not double:
        source.fail(bars[1], "A second bar in one random term; write `(effects | group)`.")
    left, right = (start, bars[0]), (bars[-1] + 1, end)
    if not source.part(*left):
        source.fail(bars[0], "No effects before the bar; write `(1 | g)` for a random intercept.")
    if not source.part(*right):
        source.fail(bars[-1], "No grouping factor after the bar; write `(1 | g)`.")
    if double and (STRUCTURES[structure].related or STRUCTURES[structure].sequential):
        source.fail(
            bars[0], f"`{structure}` takes one bar; write `{STRUCTURES[structure].example}`."
        )
    for effects in _effects(source, left, split=double):
        if STRUCTURES[structure].sequential and time_of(effects) is None:
            source.fail(
                start,
                f"`{structure}` takes one column of times, without an intercept; write "
                f"`{STRUCTURES[structure].example}`.",
            )
        for group in _groups(source, *right):
            term = RandomTerm(effects, group, structure, arguments)
            if term in found:
                source.fail(start, f"The random term `{term}` stands here twice; remove one.")
            found.append(term)


def time_of(effects: str) -> Node | None:
    """The one factor of effects without an intercept, ``0 + t``; None where it is another text."""
    terms = terms_of(effects)
    if len(terms) != 1 or len(terms[0].factors) != 1:
        return None
    return terms[0].factors[0]


def _effects(source: Source, span: _Span, *, split: bool) -> list[str]:
    """Effects in canonical text; one by one where a double bar splits them."""
    start, end = source.peel(*span)
    terms = _terms(source, [_Item("+", start, end)])
    if not terms:
        source.fail(start, "No effects are left before the bar; write `1` or a column.")
    if not split:
        return [render_terms(terms)]
    return [render_terms([term]) for term in terms]


def _groups(source: Source, start: int, end: int) -> list[tuple[str, ...]]:
    """Grouping factors of the right side of a bar: ``+`` lists, ``/`` nests, ``:`` crosses."""
    start, end = source.peel(start, end)
    for operator in "+/:":
        cuts = source.find(start, end, operator)
        if cuts:
            groups = _groups(source, start, cuts[0])
            for left, right in zip(cuts, [*cuts[1:], end], strict=True):
                groups = _combine(groups, _groups(source, left + 1, right), operator)
                if len(groups) > _MOST_GROUPS:
                    source.fail(start, f"This names more than {_MOST_GROUPS} grouping factors.")
            return groups
    return [(_group_column(source, start, end),)]


def _combine(
    left: list[tuple[str, ...]], right: list[tuple[str, ...]], operator: str
) -> list[tuple[str, ...]]:
    if operator == "+":
        return [*left, *right]
    if operator == ":":
        return [_union(a, b) for a in left for b in right]
    whole = _union(*left)
    return [*left, *(_union(whole, b) for b in right)]


def _union(*groups: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in groups for name in group))


def _group_column(source: Source, start: int, end: int) -> str:
    text = source.part(start, end)
    if not text:
        source.fail(start, "A column is missing here; write `(1 | g)`, `(1 | a:b)` or `(1 | a/b)`.")
    name = unquote_name(text)
    if name is not None:
        return name
    call = _call(source, start, end)
    if call is not None and call[0] in ("factor", "as.factor", "C"):
        return _group_column(source, *source.peel(*call[1]))
    return source.fail(
        start,
        f"`{brief(text)}` is no column; a grouping factor is a column, `a:b` or `a/b`. "
        "Make a column of it in the data.",
    )


def _fixed(source: Source, items: list[_Item]) -> str:
    """Fixed part in canonical text."""
    return render_terms(_terms(source, items)) if items else "1"


def _terms(source: Source, items: list[_Item]) -> tuple[Term, ...]:
    """Terms of signed summands, with a caret at the one that cannot be expanded."""
    position = items[0].start

    def fail(message: str) -> NoReturn:
        source.fail(position, message)

    def nodes() -> Iterator[tuple[str, Node]]:
        nonlocal position
        for item in items:
            position = item.start
            yield item.sign, read_node(source, item.start, item.end, terms=True)

    return expand(nodes(), fail)


def _expression(source: Source, start: int, end: int) -> str:
    """One expression in canonical text: a column, a call, or braces."""
    start, end = source.peel(start, end)
    if start == end:
        source.fail(start, "An expression is missing here.")
    node = read_node(source, start, end)
    while isinstance(node, Braces):
        node = node.inner
    return render_factor(node)
