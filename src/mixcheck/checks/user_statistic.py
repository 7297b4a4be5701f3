"""Whether a statistic of a user's own is what the model leads to expect."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final, get_args

import numpy as np
import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.pearson import pearson_residuals
from mixcheck.checks.statistic import (
    ALTERNATIVES,
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    null_plot,
    require_choice,
)
from mixcheck.errors import OptionError
from mixcheck.port import DataView
from mixcheck.report.finding import Alternative, Effect, Finding

__all__ = ["DataSet", "Statistic"]

Of = Literal["response", "data"]


@final
@dataclass(frozen=True, eq=False)
class DataSet:
    """One data set, observed or simulated, as a function of ``Statistic(.., of="data")`` sees it.

    Attributes
    ----------
    response : (n,)
        Counts, successes or real numbers.
    residuals : (n,)
        Quantile residuals, uniform between 0 and 1 under the model.
    pearson : (n,)
        Pearson residuals given the conditional modes of the random effects.
    fitted : (n,)
        Mean response with every random effect at zero.
    mean, variance : (n,)
        Moments of the response given the random effects that the conditioning asks for.
    frame : DataFrame
        The data of these rows, the same in all data sets; its column of the response is the
        observed one.
    """

    response: FloatArray
    residuals: FloatArray
    pearson: FloatArray
    fitted: FloatArray
    mean: FloatArray
    variance: FloatArray
    frame: pd.DataFrame


@final
@dataclass(frozen=True, repr=False)
class Statistic(Check):
    """Whether a statistic of your own is what the model leads to expect.

    Null hypothesis: the function has the distribution it has in replicate data sets. Effect:
    "difference", observed less mean of the replicates, in the unit of the statistic; 0 under the
    model.

    Parameters
    ----------
    function : callable or str
        Takes the response (n,), or a `DataSet`, to a number, and has a name that can be imported;
        as a string "module:name".
    alternative : {"two-sided", "greater", "less"}
    of : {"response", "data"}
        What the function is given: the response, or a `DataSet` with residuals, moments and the
        columns of the data.
    """

    kind: ClassVar[str] = "statistic"
    brings_code: ClassVar[bool] = True

    function: Callable[[Any], Any]
    alternative: Alternative = "two-sided"
    of: Of = "response"

    def __post_init__(self) -> None:
        require_choice("alternative", self.alternative, ALTERNATIVES)
        require_choice("of", self.of, get_args(Of))
        object.__setattr__(self, "function", _importable(self.function))

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of each data set."""
        frame = context.frame if self.of == "data" else None
        return (_UserStatistic(self.name, self.kind, self.function, self.alternative, frame),)


def _importable(function: Any) -> Callable[[FloatArray], Any]:
    """A function that its module knows by name: only such a one can be compared and stored."""
    module = getattr(function, "__module__", None)
    path = function if isinstance(function, str) else f"{module}:{_qualified(function)}"
    found = _looked_up(path)
    if not callable(found) or not (isinstance(function, str) or found is function):
        raise OptionError(
            "Statistic needs a function that can be imported by its name, so that suites can be "
            f"compared, stored and sent to other processes; found {_told(function)}. Write def at "
            "the top of a module or of a notebook cell, such as def largest(y): return y.max()"
        )
    checked: Callable[[FloatArray], Any] = found
    return checked


def _told(function: Any) -> str:
    """What was given in the place of a function with a name."""
    name = _qualified(function)
    if name == "<lambda>" or name.endswith(".<lambda>"):
        return "a lambda, which has no name"
    return f"{name}, defined inside of a function" if "<locals>" in name else shown(function)


def _qualified(function: Any) -> str:
    return str(getattr(function, "__qualname__", getattr(function, "__name__", "")))


def _looked_up(path: str) -> Any:
    """What "module:name" names, or None."""
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError, TypeError):
        return None
    except (Exception, SystemExit) as error:
        raise OptionError(
            f"Statistic needs a function that can be imported, and importing {shown(module)} "
            f"raised {type(error).__name__}: {shown(str(error))}"
        ) from error
    return found


@final
@dataclass(frozen=True, eq=False)
class _UserStatistic(CheckStatistic):
    """One number: a user's."""

    function: Callable[[Any], Any]
    alternative: Alternative
    frame: pd.DataFrame | None

    def numbers(self, data_view: DataView) -> FloatArray:
        returned = self._returned(self._given(data_view))
        try:
            number = np.asarray(returned, dtype=np.float64).reshape(1)
        except (TypeError, ValueError):
            number = np.array([np.nan])
        if not np.isfinite(number).all():
            raise OptionError(
                f"{self.name}: the function must return one finite number, found {shown(returned)}"
            )
        return number

    def _given(self, seen: DataView) -> FloatArray | DataSet:
        if self.frame is None:
            return seen.response
        return DataSet(
            seen.response,
            seen.residuals,
            pearson_residuals(seen),
            seen.fitted,
            seen.mean,
            seen.variance,
            self.frame,
        )

    def _returned(self, given: FloatArray | DataSet) -> Any:
        try:
            return self.function(given)
        except (Exception, SystemExit) as error:
            # An exit in a function of the user would end the process with a verdict of its own.
            raise OptionError(
                f"{self.name}: the function raised {type(error).__name__}: {shown(str(error))}"
            ) from error

    def finding(self, sample: NullSample) -> Finding:
        value = float(sample.numbers[0])
        effect = Effect(
            "difference",
            value - sample.mean(),
            value - sample.quantile(0.975),
            value - sample.quantile(0.025),
            0.0,
        )
        finding = self.found(
            sample,
            null=f"{self._label} is as in data of the model",
            effect=effect,
            alternative=self.alternative,
            n=sample.observed.response.size,
        )
        return replace(finding, picture=null_plot(self.name, sample, self._label))

    @property
    def _label(self) -> str:
        name = _qualified(self.function)
        return f"{name} of the response" if self.frame is None else name
