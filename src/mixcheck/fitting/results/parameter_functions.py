"""Functions of the parameters of a fit that a reader writes, such as a ratio of coefficients."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from mixcheck.arguments.options import listed, shown
from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError
from mixcheck.fitting.estimation.features import Composite, Coordinate
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.fitting.results.parameters import Parameter

__all__ = ["ParameterFunction", "function_interval", "read_functions", "touches_means"]

ParameterFunction: TypeAlias = Callable[[dict[str, float]], float]

_EXAMPLE = '{"ratio": lambda p: p["x1"] / p["x2"]}'


@dataclass(frozen=True, eq=False)
class OfNames:
    """A function of named parameters, as one of the parameters psi of the search.

    Attributes
    ----------
    name : str
    function : callable
        Of a dictionary of all parameters by name.
    parameters : tuple of Parameter
    """

    name: str
    function: ParameterFunction
    parameters: tuple[Parameter, ...]

    def named(self, psi: FloatArray) -> dict[str, float]:
        """All parameters by name."""
        return {p.name: float(p.of(psi)) for p in self.parameters}

    def __call__(self, psi: FloatArray) -> float:
        """The function; NaN where it fails, as of a logarithm beyond its domain."""
        try:
            with np.errstate(all="ignore"):
                return float(self.function(self.named(psi)))
        except (ArithmeticError, ValueError):
            return float("nan")

    def read(self, psi: FloatArray) -> float:
        """The function at the estimates.

        Raises
        ------
        OptionError
            If it cannot be evaluated there, or is no finite number.
        """
        named, words = self.named(psi), f"the function {shown(self.name)} of parameters"
        try:
            with np.errstate(all="ignore"):
                value: Any = self.function(named)
        except KeyError as error:
            raise OptionError(
                f"{words} asks for {error}, which is no parameter of this fit; these are: "
                f"{listed(list(named))}"
            ) from error
        except Exception as error:
            raise OptionError(
                f"{words} fails at the estimates: {type(error).__name__}: {error}"
            ) from error
        array = np.asarray(value) if not isinstance(value, Real) else np.array(float(value))
        if array.ndim != 0 or array.dtype.kind not in "fiu":
            raise OptionError(
                f"{words} must return one number, and gave {shown(value)}; write one function for "
                "each number"
            )
        if not np.isfinite(array):
            raise OptionError(
                f"{words} is {float(array):g} at the estimates, where it must be finite; choose "
                "another function or leave it out"
            )
        return float(array)

    def depends_on(self, psi: FloatArray, names: Collection[str]) -> bool:
        """Whether it is not known without some of the parameters."""
        named = self.named(psi)
        named.update(dict.fromkeys(names, float("nan")))
        try:
            with np.errstate(all="ignore"):
                return bool(np.isnan(float(self.function(named))))
        except (ArithmeticError, ValueError):
            return True


def read_functions(
    fit: Estimates, every: Sequence[Parameter], given: Mapping[Any, Any]
) -> list[Parameter]:
    """Each function as a parameter of its name.

    Those of the fixed effects alone are in their group, all others in that of random variation.

    Raises
    ------
    OptionError
    """
    if not given:
        raise OptionError(f"parameters holds no function; write parameters={_EXAMPLE}")
    psi, own = fit.optimum.psi, tuple(every)
    varying = [p.name for p in own if p.group == "random"]
    variances = fit.covariance.diagonal()
    errors = np.sqrt(np.where(np.isfinite(variances) & (variances > 0.0), variances, 0.0))
    sizes = np.where(errors > 0.0, errors, np.maximum(np.abs(psi), 1.0))
    out = []
    for name, function in given.items():
        if not isinstance(name, str) or not callable(function):
            raise OptionError(
                f"parameters must have functions by their names, and has {shown(name)}: "
                f"{shown(function)}; write parameters={_EXAMPLE}"
            )
        if any(name == p.name for p in own):
            raise OptionError(
                f"{shown(name)} is a parameter of this fit; give the function another name"
            )
        found = OfNames(name, function, own)
        found.read(psi)
        if fit.infinite_names and found.depends_on(psi, fit.infinite_names):
            raise OptionError(
                f"the function {shown(name)} depends on "
                f"{listed(sorted(fit.infinite_names))} without a finite estimate; leave it "
                "out, or fit the model with priors="
            )
        group = "random" if found.depends_on(psi, varying) else "fixed"
        feature = Composite(found, tuple(sizes.tolist()))
        out.append(Parameter(name, group, "function", feature))  # type: ignore[arg-type]
    return out


def is_at_boundary(fit: Estimates, parameter: Parameter) -> bool:
    """Whether a function hangs on a standard deviation of zero or a correlation of one."""
    feature, psi = parameter.feature, fit.optimum.psi
    assert isinstance(feature, Composite)
    assert isinstance(feature.function, OfNames)
    lost = [
        p.name
        for p in feature.function.parameters
        if (p.kind == "sd" and p.of(psi) == 0.0)
        or (p.kind == "correlation" and not p.range[0] < p.of(psi) < p.range[1])
    ]
    return bool(lost) and feature.function.depends_on(psi, lost)


def function_interval(
    fit: Estimates,
    parameter: Parameter,
    by_coefficients: Callable[[FloatArray], FloatArray],
    quantile: float,
) -> tuple[float, float]:
    """Wald's interval of a function, by the delta method, symmetric on its own scale.

    Parameters
    ----------
    fit : Estimates
    parameter : Parameter
        Of kind "function".
    by_coefficients : callable
        From a combination of the fixed effects, (1, p), to half the width of its interval, (1,).
    quantile : float
        Of the normal distribution, for functions of standard deviations and their like.
    """
    psi = fit.optimum.psi
    value, slope = parameter.feature.value(psi), parameter.feature.slope(psi)
    if is_at_boundary(fit, parameter):
        return np.nan, np.nan
    if parameter.group == "fixed":
        half = float(by_coefficients(slope[None, fit.fixed_positions])[0])
    else:
        kept = slope != 0.0
        half = quantile * float(
            np.sqrt(slope[kept] @ fit.covariance[np.ix_(kept, kept)] @ slope[kept])
        )
    return value - half, value + half


def touches_means(fit: Estimates, parameters: Sequence[Parameter]) -> bool:
    """Whether coefficients of the mean are held where one of the parameters is."""
    means, psi = fit.problem.X[0].shape[1], fit.optimum.psi
    features = [p.feature for p in parameters]
    coordinates = [f.position for f in features if isinstance(f, Coordinate)]
    functions = [f for f in features if isinstance(f, Composite)]
    slopes = (f.slope(psi)[:means] for f in functions)
    return any(j < means for j in coordinates) or any(bool(np.any(s != 0.0)) for s in slopes)
