"""Many data sets as one view, whose arrays have axes of their own for data sets and looks.

A statistic of a few hundred rows costs less than the calls that compute it. So data sets that were
made together are measured together by the statistics that can (`CheckStatistic.stacks`): those that
work along the last axis, and leave the axes before it as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TypeAlias

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.port import DataView, ProbabilityTransform

__all__ = ["stack_views"]

Views: TypeAlias = tuple[DataView, ...]
"""One data set, seen K times."""


def stack_views(data_sets: Sequence[Views]) -> DataView:
    """B data sets, each seen K times, as one view of arrays (B, K, ..).

    What all looks at each data set have in common, such as the response, has the shape
    (B, 1, ..), so that what is computed of it is computed once.

    Parameters
    ----------
    data_sets : sequence of tuple of DataView
        At least one, with the same number of views each.
    """
    first = data_sets[0][0]
    rows = {name: _join(data_sets, attrgetter(name)) for name in _ROWS}
    return DataView(
        **rows,
        transform=None if first.transform is None else _StackedTransforms(data_sets),
        probability=_masses(data_sets, attrgetter("probability")),
        mode_probability=_masses(data_sets, attrgetter("mode_probability")),
        effects=_StackedArrays(data_sets, attrgetter("effects")),
        modes=_StackedArrays(data_sets, attrgetter("modes")),
        predictors=_StackedArrays(data_sets, attrgetter("predictors")),
        scores=_StackedArrays(data_sets, attrgetter("scores")),
        estimates=_join(data_sets, attrgetter("estimates")),
    )


_ROWS = ("response", "residuals", "fitted", "mean", "variance", "mode_mean", "mode_variance")
Masses: TypeAlias = Callable[[float], FloatArray]


def _join(data_sets: Sequence[Views], take: Callable[[DataView], FloatArray | None]) -> FloatArray:
    """An array of each view, (B, K, ..), or (B, 1, ..) where all views of each data set agree."""
    size = len(data_sets), len(data_sets[0])
    if size == (1, 1):
        alone = np.asarray(take(data_sets[0][0]))
        return alone[None, None]
    arrays = np.array([take(view) for views in data_sets for view in views])
    joined = arrays.reshape(*size, *arrays.shape[1:])
    if size[1] > 1 and np.array_equal(
        joined[:, 1:], np.broadcast_to(joined[:, :1], joined[:, 1:].shape)
    ):
        return joined[:, :1]
    return joined


def _stack(arrays: Sequence[FloatArray]) -> FloatArray:
    """Arrays side by side; one alone is not copied."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def _masses(
    data_sets: Sequence[Views], take: Callable[[DataView], Masses | None]
) -> _StackedMasses | None:
    return None if take(data_sets[0][0]) is None else _StackedMasses(data_sets, take)


@dataclass(frozen=True, eq=False)
class _StackedMasses:
    """Probability of a value in each row of each view; each value is asked for once."""

    data_sets: Sequence[Views]
    take: Callable[[DataView], Masses | None]
    known: dict[float, FloatArray] = field(default_factory=dict)

    def __call__(self, k: float) -> FloatArray:
        if k not in self.known:
            self.known[k] = _join(self.data_sets, lambda view: self._of(view, k))
        return self.known[k]

    def _of(self, view: DataView, k: float) -> FloatArray:
        masses = self.take(view)
        assert masses is not None
        return masses(k)


@dataclass(frozen=True, eq=False)
class _StackedTransforms:
    """Where the responses of each data set stand, (B, 1, J, n): the same in every look at it."""

    data_sets: Sequence[Views]
    known: list[ProbabilityTransform] = field(default_factory=list)

    def __call__(self) -> ProbabilityTransform:
        if not self.known:
            views = (views[0] for views in self.data_sets)
            each = [view.transform() for view in views if view.transform is not None]
            self.known.append(
                ProbabilityTransform(
                    lambda: (
                        _stack([one.below for one in each])[:, None],
                        _stack([one.mass for one in each])[:, None],
                    ),
                    lambda: _stack([one.scores for one in each])[:, None],
                    each[0].weights,
                    lambda: _stack([one.squares for one in each])[:, None],
                )
            )
        return self.known[0]


@dataclass(frozen=True, eq=False)
class _StackedArrays(Mapping[str, FloatArray]):
    """Arrays of each view by name, stacked when one is asked for."""

    data_sets: Sequence[Views]
    take: Callable[[DataView], Mapping[str, FloatArray]]
    known: dict[str, FloatArray] = field(default_factory=dict)

    def __getitem__(self, name: str) -> FloatArray:
        if name not in self.known:
            self.known[name] = _join(self.data_sets, lambda view: self.take(view)[name])
        return self.known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.take(self.data_sets[0][0]))

    def __len__(self) -> int:
        return len(self.take(self.data_sets[0][0]))
