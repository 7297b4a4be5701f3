"""Whether a model of yours keeps the laws of the port: for the tests of adapters anywhere.

Laws of chance are judged by averages over replicate data sets. Their errors are estimated from
the scatter between replicates, so that rows may depend on each other as they like.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.arguments.options import require_choice, require_seed, require_whole
from mixcheck.arrays import FloatArray
from mixcheck.errors import MixcheckError
from mixcheck.execution.streams import stream
from mixcheck.port import (
    CONDITIONINGS,
    BatchRefittable,
    Checkable,
    Comparable,
    Conditioning,
    DataView,
    Enumerable,
    Refittable,
    Repeating,
    Weighted,
    port_of,
)

__all__ = ["BrokenLaw", "check_model_port"]

# A law that holds breaks by chance once in many millions: t of 40 replicates and more.
_LARGEST_T: Final = 8.0
# A fit to its own response moves means by no more than this share of a standard deviation.
_SAME_FIT: Final = 0.02
_VECTORS: Final = tuple(
    item.name
    for item in fields(DataView)
    if item.name
    in ("response", "residuals", "fitted", "mean", "variance", "mode_mean", "mode_variance")
)
_MEMBERS: Final = ("frame", "discrete", "description", "observe", "replicate")


class BrokenLaw(MixcheckError, AssertionError):
    """A model does not do what the protocols of `mixcheck.port` ask of it."""


def check_model_port(
    make_model: Callable[[], Any],
    *,
    conditioning: Conditioning = "posterior",
    replicates: int = 60,
    seed: int = 1,
) -> None:
    """Hold a model against the laws of the port.

    Its views have n finite rows and residuals strictly within 0 and 1; what is drawn follows from
    the stream alone; over its own replicates residuals are uniform, moments are those of the
    responses, and probabilities of values are their frequencies; a fit to its own response is the
    model again; many replicates or refits are what they are one by one; likelihood and account of
    the data are there; it returns from a pickle the same. Of the protocols beside `Checkable` those
    are held against it that it has the methods of.

    Parameters
    ----------
    make_model : callable
        Makes the model, the same whenever it is called; a fitted model, or what has a port.
    conditioning : {"posterior", "marginal", "mode"}
        Which random effects the data are seen given.
    replicates : int
        Data sets over which averages are taken, at least 40.
    seed : int

    Raises
    ------
    BrokenLaw
        Naming the first law that the model breaks, with what was found and what is wanted.

    Examples
    --------
    >>> import mixcheck as mc
    >>> from mixcheck.testing import check_model_port
    >>> def make_model():
    ...     cbpp = mc.datasets.load("cbpp")
    ...     return mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> check_model_port(make_model)
    """
    require_choice("conditioning", conditioning, CONDITIONINGS)
    require_whole("replicates", replicates, 40)
    require_seed(seed)
    port = port_of(make_model())
    _require_members(port)
    if isinstance(port, Weighted):
        port = port.by_single_rows()[0]
    laws = _Laws(port, conditioning, seed, replicates)
    laws.of_frame()
    laws.of_views()
    laws.of_chance()
    laws.of_remaking(make_model)
    if isinstance(port, Refittable):
        laws.of_refits(port)
    if isinstance(port, Comparable):
        laws.of_likelihoods(port)


def _require_members(port: Any) -> None:
    if isinstance(port, type) or not isinstance(port, Checkable):
        absent = [name for name in _MEMBERS if not hasattr(port, name)]
        raise BrokenLaw(
            f"{_name(port)} is not Checkable: it lacks {', '.join(absent) or 'an instance'}; a "
            f"model has {', '.join(_MEMBERS)}, or hands its port out by __mixcheck_port__()"
        )


def _name(port: Any) -> str:
    return port.__name__ if isinstance(port, type) else type(port).__name__


@dataclass(frozen=True, eq=False)
class _Laws:
    """The laws, asked of one port."""

    port: Any
    conditioning: Conditioning
    seed: int
    replicates: int

    def _require(self, holds: bool, found: str) -> None:
        if not holds:
            raise BrokenLaw(f"{_name(self.port)}: {found}")

    def _observe(self, k: int = 0) -> DataView:
        view: DataView = self.port.observe(self.conditioning, stream(self.seed, 0, k))
        return view

    def _replicate(self, k: int) -> DataView:
        view: DataView = self.port.replicate(self.conditioning, stream(self.seed, 1, k))
        return view

    # ---- what does not depend on chance ------------------------------------------------

    def of_frame(self) -> None:
        """The rows have a table and the model a description."""
        frame, known = self.port.frame, self.port.description
        self._require(
            isinstance(frame, pd.DataFrame),
            f"frame must be a pandas DataFrame, found {_name(frame)}",
        )
        plain = all(
            isinstance(key, str) and (value is None or isinstance(value, str | int | float | bool))
            for key, value in known.items()
        )
        self._require(plain, "description must map names to text, numbers, True, False or None")

    def of_views(self) -> None:
        """Views are whole, follow from their stream, and agree with each other."""
        seen, again, other = self._observe(0), self._observe(0), self._observe(1)
        first, second = self._replicate(0), self._replicate(0)
        for what, view in (("observe", seen), ("replicate", first)):
            for found in self._faults(view):
                self._require(False, f"{what}: {found}")
        for what, one, same in (("observe", seen, again), ("replicate", first, second)):
            for name in _VECTORS:
                self._require(
                    np.array_equal(getattr(one, name), getattr(same, name)),
                    f"{what} gives another {name} from the same stream; take all random numbers "
                    "from rng, and change nothing of the model",
                )
        self._require(
            np.array_equal(seen.response, other.response)
            and np.array_equal(seen.mode_mean, other.mode_mean),
            "observe changes the response or the moments at the modes with its stream: only what "
            "is drawn may differ",
        )
        differs = any(
            not np.array_equal(self._replicate(k).response, first.response) for k in range(1, 6)
        )
        self._require(differs, "replicate gives the same response from every stream")

    def _faults(self, view: DataView) -> Iterator[str]:
        n = len(self.port.frame)
        for name in _VECTORS:
            values = np.asarray(getattr(view, name))
            if values.shape != (n,):
                yield f"{name} must have the {n} rows of frame, found shape {values.shape}"
                return
            infinite = name.endswith("variance")
            if not (np.isfinite(values) | (infinite & (values == np.inf))).all():
                yield f"{name} must be finite in each row"
        if not ((view.residuals > 0.0) & (view.residuals < 1.0)).all():
            yield "residuals must lie strictly between 0 and 1"
        if (view.variance < 0.0).any() or (view.mode_variance < 0.0).any():
            yield "variances must not be negative"
        if bool(self.port.discrete) != (view.probability is not None):
            yield "probability must be there where the response is discrete, and None elsewhere"
        yield from self._faults_of_transform(view, n)

    def _faults_of_transform(self, view: DataView, n: int) -> Iterator[str]:
        if view.transform is None:
            return
        found = view.transform()
        J = found.weights.size
        for name in ("below", "mass", "scores"):
            if getattr(found, name).shape != (J, n):
                yield f"transform: {name} must have shape {(J, n)}"
                return
        low, high = found.below, found.below + found.mass
        if (low < 0.0).any() or (found.mass < 0.0).any() or (high > 1.0 + 1e-9).any():
            yield "transform: probabilities must lie within 0 and 1"
        if not self.port.discrete and view.probability is None and found.mass.any():
            yield "transform: the mass of a continuous response must be zero"
        if abs(found.weights.sum() - 1.0) > 1e-9:
            yield "transform: weights must sum to one"
        inside = (view.residuals >= low - 1e-9) & (view.residuals <= high + 1e-9)
        if J == 1 and self.port.discrete and not inside.all():
            yield "transform: residuals must lie between below and below + mass"

    # ---- what holds on average ---------------------------------------------------------

    def of_chance(self) -> None:
        """Residuals are uniform, moments and probabilities those of the responses.

        Given the modes of the random effects none of this is so.
        """
        if self.conditioning == "mode":
            return
        means: dict[str, list[float]] = {}
        for k in range(self.replicates):
            for law, value in self._averages(self._replicate(k)):
                means.setdefault(law, []).append(value)
        for law, values in means.items():
            t = _standardised(np.asarray(values), len(self.port.frame))
            self._require(
                abs(t) < _LARGEST_T,
                f"over {self.replicates} of its own replicates {law} is off by "
                f"{float(np.mean(values)):.3g}, which is {abs(t):.0f} standard errors from zero",
            )

    def _averages(self, view: DataView) -> Iterator[tuple[str, float]]:
        """Numbers of one replicate whose expectation is zero, by the law that says so."""
        r = view.residuals
        yield "the mean of the residuals, 1/2,", float(np.mean(r - 0.5))
        yield "the variance of the residuals, 1/12,", float(np.mean((r - 0.5) ** 2) - 1.0 / 12.0)
        for level in (0.1, 0.9):
            share = float(np.mean(r < level)) - level
            yield f"the share of residuals below {level}", share
        known = (view.variance > 0.0) & np.isfinite(view.variance)
        if known.any():
            z = (view.response - view.mean)[known] / np.sqrt(view.variance[known])
            yield "the mean of (response - mean) / sd, 0,", float(np.mean(z))
            yield "the mean of (response - mean)^2 / variance, 1,", float(np.mean(z**2) - 1.0)
        if view.probability is not None:
            for value in (0.0, 1.0):
                share = np.mean((view.response == value) - view.probability(value))
                yield f"the frequency of {value:g} less its probability", float(share)

    # ---- the same in other ways --------------------------------------------------------

    def of_remaking(self, make_model: Callable[[], Any]) -> None:
        """A second model, a pickle and many at once are the same."""
        seen = self._observe(0)
        remade = port_of(make_model())
        if isinstance(remade, Weighted):
            remade = remade.by_single_rows()[0]
        others = [("made again", remade), *self._returned()]
        for words, other in others:
            view = other.observe(self.conditioning, stream(self.seed, 0, 0))
            self._require(
                np.allclose(view.residuals, seen.residuals, rtol=1e-6, atol=1e-9),
                f"the model {words} sees its data otherwise",
            )
        if isinstance(self.port, Repeating):
            rngs = [stream(self.seed, 1, k) for k in range(3)]
            many = self.port.replicate_many(self.conditioning, rngs)
            for k, view in enumerate(many):
                same = not isinstance(view, Exception) and np.allclose(
                    view.residuals, self._replicate(k).residuals, rtol=1e-4, atol=1e-6
                )
                self._require(same, "replicate_many differs from replicate, one by one")
        if isinstance(self.port, Enumerable):
            count = self.port.available
            rng = stream(self.seed, 1, 0)
            last = self.port.replicate_number(count - 1, self.conditioning, rng)
            for found in self._faults(last):
                self._require(False, f"replicate_number({count - 1}): {found}")

    def _returned(self) -> list[tuple[str, Any]]:
        """The model from a pickle, if its class stands where pickle looks for it."""
        kind = type(self.port)
        if getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is not kind:
            return []
        try:
            return [("from a pickle", pickle.loads(pickle.dumps(self.port)))]
        except Exception as error:
            raise BrokenLaw(
                f"{_name(self.port)}: the model must pickle, so that workers can have it: "
                f"{type(error).__name__}: {error}"
            ) from error

    def of_refits(self, port: Refittable) -> None:
        """Responses follow from their stream, and a fit to its own response is the model again."""
        responses = [port.respond(stream(self.seed, 2, k)) for k in (0, 0, 1)]
        n, seen = len(self.port.frame), self._observe(0)
        self._require(
            np.shape(responses[0]) == (n,) and bool(np.isfinite(responses[0]).all()),
            f"respond must give {n} finite numbers, found shape {np.shape(responses[0])}",
        )
        self._require(
            np.array_equal(responses[0], responses[1]),
            "respond gives another response from the same stream",
        )
        refit = port.refit(responses[2])
        self._require(
            isinstance(refit, Checkable), f"refit must give a model, found {_name(refit)}"
        )
        view = refit.observe(self.conditioning, stream(self.seed, 0, 0))
        self._require(
            np.allclose(view.response, responses[2], rtol=1e-9, atol=1e-9),
            "the model refitted to a response observes another one",
        )
        for found in self._faults(view):
            self._require(False, f"a refit: {found}")
        self._require(
            np.array_equal(self._observe(0).fitted, seen.fitted), "refit changes the model itself"
        )
        again = port.refit(seen.response).observe(self.conditioning, stream(self.seed, 0, 0))
        deviation = np.sqrt(np.where(np.isfinite(seen.mode_variance), seen.mode_variance, 1.0))
        moved = np.abs(again.mode_mean - seen.mode_mean) / np.maximum(deviation, 1e-12)
        self._require(
            float(moved.max()) < _SAME_FIT,
            "refit to its own response is another model: means move by "
            f"{float(moved.max()):.2g} standard deviations",
        )
        if isinstance(port, BatchRefittable):
            (single,) = port.refit_many(responses[2][:, None])
            same = not isinstance(single, Exception) and np.allclose(
                single.observe(self.conditioning, stream(self.seed, 0, 0)).mode_mean,
                view.mode_mean,
                rtol=1e-3,
                atol=1e-6,
            )
            self._require(same, "refit_many differs from refit, one by one")

    def of_likelihoods(self, port: Comparable) -> None:
        """A finite log-likelihood, and an account of the data and the parameters."""
        self._require(bool(np.isfinite(port.llf)), f"llf must be finite, found {port.llf}")
        self._require(port.n_parameters >= 0, "n_parameters must not be negative")
        wanted = {"rows", "response", "weights", "offset"}
        absent = sorted(wanted - set(port.data_digest))
        self._require(not absent, f"data_digest lacks {', '.join(absent)}")
        for part, matrix in port.fixed_matrices.items():
            self._require(
                np.ndim(matrix) == 2, f"fixed_matrices: that of {part} must have two axes"
            )


def _standardised(values: FloatArray, n: int) -> float:
    """Mean of R averages over n rows in units of its standard error.

    An event that is rare may happen in none of the rows, whose average is then known to no better
    than one event in all of them.
    """
    error = float(np.std(values, ddof=1)) / np.sqrt(values.size)
    return float(np.mean(values) / max(error, 1.0 / (n * values.size)))
