"""From a design, in the order of the caller, to a problem, in the order of the fitter.

Rows are sorted by the finest grouping factor, so that sums over its levels are sums
over runs, and so that a fit does not depend on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from scipy import sparse

from mixcheck.arrays import IntArray
from mixcheck.design.frames import row_label
from mixcheck.design.matrices import Design
from mixcheck.design.predictors import Predictor, RandomBlock
from mixcheck.execution.recent import Recent
from mixcheck.families.family import Family
from mixcheck.families.responses import Observed, SupportError
from mixcheck.fitting.latent.elimination_order import lay_out
from mixcheck.fitting.latent.factors import Column, Factor
from mixcheck.fitting.latent.group_sums import Summation
from mixcheck.fitting.likelihood.problem import Problem, take_matrix, take_rows
from mixcheck.fitting.likelihood.term import Term

__all__ = ["arrange"]

# Below this many rows a comparing sort is faster than counting, and the arrangement of a design
# that was fitted before is kept.
_FEW_ROWS = 5_000
_SHORT = 2**16
# Of so many designs; predictors are the same if they are the same objects.
_ARRANGED: Recent[tuple[Predictor, ...], Problem] = Recent(16)


def arrange(design: Design, family: Family) -> Problem:
    """Arrange a design for the fitter.

    Parameters
    ----------
    design : Design
        Its predictors must be those of the family, in order.
    family : Family
    """
    if design.weights is not None or design.response.size > _FEW_ROWS:
        return _arrange(design, family)
    known = _ARRANGED.get(design.predictors)
    if known is None:
        known = _arrange(design, family)
        _ARRANGED.keep(design.predictors, known)
        return known
    return known.of_data(family, _prepare(family, design, known.order))


def _arrange(design: Design, family: Family) -> Problem:
    blocks = [(k, b) for k, part in enumerate(design.predictors) for b in part.random]
    by_factor: dict[str, list[tuple[int, RandomBlock]]] = {}
    for k, block in blocks:
        by_factor.setdefault(_factor_name(k, block), []).append((k, block))
    order, stays = _row_order(by_factor, design.response.size)
    built = {g: _factor(members, order, stays=stays) for g, members in by_factor.items()}
    latent = lay_out(list(built.values()))
    places = {g: latent.place_of(factor) for g, factor in built.items()}
    return Problem(
        family=family,
        data=_prepare(family, design, order),
        weights=take_rows(design.weights, order),
        X=tuple(part.X if stays else take_matrix(part.X, order) for part in design.predictors),
        offsets=tuple(part.offset if stays else part.offset[order] for part in design.predictors),
        latent=latent,
        terms=_terms(blocks, places, by_factor),
        order=order,
    )


def _prepare(family: Family, design: Design, order: IntArray) -> Observed:
    """The response in the fitter's order; rows at fault are named as in the caller's data."""
    try:
        return family.prepare(design.response[order], take_rows(design.size, order))
    except SupportError as error:
        raise error.reordered(order).named(partial(row_label, design.frame)) from None


def _factor_name(predictor: int, block: RandomBlock) -> str:
    """Terms of one grouping factor share a factor; one with tied levels has its own."""
    return block.group if block.ties is None else f"{predictor}: {block.name}"


def _row_order(
    by_factor: Mapping[str, list[tuple[int, RandomBlock]]], n: int
) -> tuple[IntArray, bool]:
    """Rows by the levels of the finest factor, and whether that is their order already."""
    if not by_factor:
        return np.arange(n), True
    finest = max((b[0][1] for b in by_factor.values()), key=lambda block: block.size)
    codes = finest.index
    if (codes[1:] >= codes[:-1]).all():
        return np.arange(n), True
    return _stable_order(codes, finest.size), False


def _stable_order(codes: IntArray, size: int) -> IntArray:
    """Stable sorting order of non-negative integers below `size`, by counting."""
    if codes.size < _FEW_ROWS:
        # NumPy counts integers of two bytes, and compares others.
        short = codes.astype(np.uint16) if size <= _SHORT else codes
        return short.argsort(kind="stable")
    nothing = np.zeros(codes.size, dtype=np.int8)
    order = sparse.csr_array((nothing, (codes, np.arange(codes.size)))).indices
    return order.astype(np.intp)


def _factor(blocks: Sequence[tuple[int, RandomBlock]], order: IntArray, *, stays: bool) -> Factor:
    columns = []
    for predictor, block in blocks:
        for values in block.Z.T:
            constant = values[0] == 1.0 and bool((values == 1.0).all())
            ordered = None if constant else values if stays else values[order]
            columns.append(Column(predictor, ordered))
    first = blocks[0][1]
    index = first.index if stays else first.index[order]
    return Factor(Summation(index, first.size), tuple(columns), ties=first.ties)


def _terms(
    blocks: Sequence[tuple[int, RandomBlock]],
    places: Mapping[str, int],
    by_factor: Mapping[str, list[tuple[int, RandomBlock]]],
) -> tuple[Term, ...]:
    out, start = [], 0
    for predictor, block in blocks:
        before, name = 0, _factor_name(predictor, block)
        for _, other in by_factor[name]:
            if other is block:
                break
            before += other.Z.shape[1]
        q = block.Z.shape[1]
        theta = slice(start, start + block.covariance.n_theta)
        start = theta.stop
        columns = slice(before, before + q)
        out.append(Term(block, predictor, places[name], columns, theta))
    return tuple(out)
