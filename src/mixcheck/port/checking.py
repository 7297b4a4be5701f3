"""What is asked of a model to be checked: to see data, to make more, and to be fitted again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self, runtime_checkable

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.port.asking import Asked
from mixcheck.port.data_view import Conditioning, DataView

__all__ = [
    "BatchObservable",
    "BatchRefittable",
    "Checkable",
    "Dispersed",
    "Drawn",
    "Enumerable",
    "Refittable",
    "Repeating",
    "Tailed",
    "Weighted",
]


@runtime_checkable
class Checkable(Protocol, metaclass=Asked):
    """A model that sees its own data and can make more of the same kind."""

    @property
    def frame(self) -> pd.DataFrame:
        """Data of the rows used, (n, ..), with the caller's index and columns."""
        ...

    @property
    def discrete(self) -> bool:
        """Whether the response has probability masses."""
        ...

    @property
    def description(self) -> Mapping[str, str | int | float | bool | None]:
        """What the model is, for a report: formula, family, numbers of rows and groups."""
        ...

    def observe(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """See the observed data; random choices (draws, jitter) come from `rng`."""
        ...

    def replicate(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """Simulate a data set (new random effects, new response) and see it likewise."""
        ...


@runtime_checkable
class Repeating(Checkable, Protocol, metaclass=Asked):
    """A model that makes many replicates at once in less time than one after another."""

    def replicate_many(
        self, conditioning: Conditioning, rngs: Sequence[np.random.Generator]
    ) -> Sequence[DataView | Exception]:
        """What `replicate` makes of each stream, or why it makes nothing.

        A replicate must not depend on those beside it.
        """
        ...


@runtime_checkable
class Refittable(Checkable, Protocol, metaclass=Asked):
    """A model that can be fitted again to another response."""

    def respond(self, rng: np.random.Generator) -> FloatArray:
        """Simulate one response vector, (n,), with new random effects."""
        ...

    def refit(self, response: FloatArray) -> Self:
        """Fit the same model to `response`, (n,)."""
        ...


@runtime_checkable
class BatchRefittable(Refittable, Protocol, metaclass=Asked):
    """A model that can be fitted to many responses at once in less time than one after another."""

    def refit_many(
        self, responses: FloatArray, *, one_step: bool = False
    ) -> Sequence[Self | Exception]:
        """What `refit` makes of each column of `responses`, (n, B), or why it makes nothing.

        A refit must not depend on those beside it. With `one_step` a refit may end after one
        Newton step from the estimates of this model, if that takes less time.
        """
        ...


@runtime_checkable
class BatchObservable(BatchRefittable, Protocol, metaclass=Asked):
    """A model that sees the data of many of its refits at once, in less time than one by one."""

    def observe_many(
        self,
        fits: Sequence[Self],
        conditioning: Conditioning,
        rngs: Sequence[np.random.Generator],
        times: int = 1,
    ) -> Sequence[tuple[DataView, ...] | Exception]:
        """What each of some of these refits sees, or why it sees nothing.

        The views are those of `observe`, called so many times with the stream of the refit.
        """
        ...


@runtime_checkable
class Dispersed(Protocol, metaclass=Asked):
    """A model that knows which features of its response are parameters by themselves."""

    @property
    def fits_variance(self) -> bool:
        """Whether the mean squared residual is what the model was fitted to."""
        ...

    @property
    def fits_frequencies(self) -> bool:
        """Whether the model was fitted to how often each value occurs."""
        ...


@runtime_checkable
class Tailed(Protocol, metaclass=Asked):
    """A model that knows how much a response far out says of its mean."""

    @property
    def heavy_tailed(self) -> bool:
        """Whether it says little: the score in the mean falls with the distance."""
        ...


@runtime_checkable
class Drawn(Checkable, Protocol, metaclass=Asked):
    """A model whose parameters are drawn from a posterior: it sees each data set by one draw."""

    @property
    def posterior_draws(self) -> int:
        """How many draws of the parameters there are."""
        ...


@runtime_checkable
class Weighted(Checkable, Protocol, metaclass=Asked):
    """A model of rows that may each stand for several rows, which are what its data are."""

    def by_single_rows(self) -> tuple[Checkable, IntArray | None]:
        """The same model with each of these rows as one, and which row of `frame` each is.

        The model itself, and None, where each row is one already.
        """
        ...


@runtime_checkable
class Enumerable(Checkable, Protocol, metaclass=Asked):
    """A model whose replicates are a given list of data sets, such as draws made elsewhere."""

    @property
    def available(self) -> int:
        """How many replicate data sets there are."""
        ...

    def replicate_number(
        self, k: int, conditioning: Conditioning, rng: np.random.Generator
    ) -> DataView:
        """See data set `k` of the list, ``0 <= k < available``, as the observed data are seen."""
        ...
