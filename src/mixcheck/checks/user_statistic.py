"""Whether a statistic of a user's own is what the model leads to expect."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
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
from mixcheck.options import shown
from mixcheck.port import DataView
from mixcheck.report.finding import Alternative, Effect, Finding

__all__ = ["Statistic"]


@final
@dataclass(frozen=True, repr=False)
class Statistic(Check):
    """Whether a statistic of the response is what the model leads to expect.

    Null hypothesis: the function of the response has the distribution it has in replicate
    data sets. Effect: "difference", observed less mean of the replicates, in the unit of the
    statistic; 0 under the model.

    Parameters
    ----------
    function : callable or str
        Takes the response (n,) to a number, and has a name that can be imported; as a string
        "module:name".
    alternative : {"two-sided", "greater", "less"}
    """

    kind: ClassVar[str] = "statistic"

    function: Callable[[FloatArray], Any]
    alternative: Alternative = "two-sided"

    def __post_init__(self) -> None:
        require_choice("alternative", self.alternative, ALTERNATIVES)
        object.__setattr__(self, "function", _importable(self.function))

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the response."""
        return (_UserStatistic(self.name, self.kind, self.function, self.alternative),)


def _importable(function: Any) -> Callable[[FloatArray], Any]:
    """A function that its module knows by name: only such a one can be compared and stored."""
    module = getattr(function, "__module__", None)
    path = function if isinstance(function, str) else f"{module}:{_qualified(function)}"
    found = _looked_up(path)
    if not callable(found) or not (isinstance(function, str) or found is function):
        raise OptionError(
            "Statistic needs a function that can be imported by its name, found "
            f"{shown(function)}; define it with def at the top of a module, not as a lambda or "
            "inside a function"
        )
    checked: Callable[[FloatArray], Any] = found
    return checked


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

    function: Callable[[FloatArray], Any]
    alternative: Alternative

    def numbers(self, data_view: DataView) -> FloatArray:
        returned = self._returned(data_view.response)
        try:
            number = np.asarray(returned, dtype=np.float64).reshape(1)
        except (TypeError, ValueError):
            number = np.array([np.nan])
        if not np.isfinite(number).all():
            raise OptionError(
                f"{self.name}: the function must return one finite number, found {shown(returned)}"
            )
        return number

    def _returned(self, response: FloatArray) -> Any:
        try:
            return self.function(response)
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
            null=f"{_qualified(self.function)} of the response is as in data of the model",
            effect=effect,
            alternative=self.alternative,
            n=sample.observed.response.size,
        )
        label = f"{_qualified(self.function)} of the response"
        return replace(finding, picture=null_plot(self.name, sample, label))
