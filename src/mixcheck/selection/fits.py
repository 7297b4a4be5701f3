"""How a candidate is fitted and checked, wherever that happens."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mixcheck.arguments.options import require_flag, require_text, shown
from mixcheck.checks.check import Check, Suite
from mixcheck.checks.verb import check
from mixcheck.errors import OptionError
from mixcheck.fitting.glmm import glmm
from mixcheck.fitting.methods import read_method
from mixcheck.fitting.results.glmm_fit import GLMM
from mixcheck.port import Conditioning
from mixcheck.report.policy import Policy
from mixcheck.report.report import Report
from mixcheck.selection.candidates import Candidate, Fit
from mixcheck.selection.space import Model
from mixcheck.simulation import Calibration

__all__ = ["CandidateFits", "GlmmFit", "KeptFits", "SuiteCheck", "offers", "require_likelihood"]

_SEARCHED = ("formula", "data", "family", "zi", "dispersion")


def offers(option: str) -> bool:
    """Whether `mixcheck.glmm` takes an option."""
    return option in inspect.signature(glmm).parameters


def require_likelihood(options: Mapping[str, Any]) -> None:
    """Refuse options of `mixcheck.glmm` that it has not, or that leave no common likelihood.

    Raises
    ------
    OptionError
    """
    for name in options:
        if name in _SEARCHED or not offers(name):
            raise OptionError(f"{name}= is no option that select passes on to glmm; leave it out")
    if require_flag("reml", options.get("reml", False)):
        raise OptionError(
            "REML likelihoods of models with different fixed effects cannot be compared; leave "
            "reml out, and fit the selected model with reml=True"
        )
    if options.get("priors"):
        raise OptionError(
            "priors= belong to the parameters of one model, and models with other terms are "
            "compared by their likelihoods; leave priors out, and fit the selected model with them"
        )
    method = read_method(require_text("method", options.get("method", "laplace"), "laplace"))
    if method.kind == "pseudo":
        raise OptionError(
            f'method="{method.spelling}" has no likelihood of the responses, so nothing can be '
            'selected by it; write method="laplace"'
        )


@dataclass(frozen=True, eq=False)
class GlmmFit:
    """A candidate fitted by `mixcheck.glmm`.

    Attributes
    ----------
    data : DataFrame
        With the rows that all candidates can use.
    options : mapping
        Other arguments of `mixcheck.glmm`.
    """

    data: pd.DataFrame
    options: Mapping[str, Any]

    def __call__(self, candidate: Candidate) -> GLMM:
        """Fit a candidate."""
        model: Model = candidate.content
        parts = {"zi": model.zi, "dispersion": model.dispersion}
        given: dict[str, Any] = {name: text for name, text in parts.items() if text is not None}
        return glmm(model.formula, self.data, family=model.family, **given, **self.options)


@dataclass(frozen=True, eq=False)
class KeptFits:
    """Fits of a few candidates, each made once in a process.

    Attributes
    ----------
    fit : callable
        Gives the same fit whenever it is called.
    """

    fit: Fit
    _made: dict[str, Any] = field(default_factory=dict)

    def __call__(self, candidate: Candidate) -> Any:
        """The fit of a candidate, made or kept."""
        if candidate.key not in self._made:
            self._made[candidate.key] = self.fit(candidate)
        return self._made[candidate.key]

    def __getstate__(self) -> dict[str, Any]:
        # Workers are sent what is to be done, not what is done.
        return {"fit": self.fit, "_made": {}}


@dataclass(frozen=True, eq=False, repr=False)
class CandidateFits(Mapping[str, Any]):
    """The fits of some candidates by name, each made when it is asked for and kept.

    A search hands numbers on, and no models: with many candidates these would fill the memory.
    """

    candidates: Mapping[str, Candidate]
    fit: KeptFits

    def __getitem__(self, name: str) -> Any:
        """The fit of a candidate."""
        if name not in self.candidates:
            raise OptionError(
                f"fits[{shown(name)}]: there is no such model; names are those of `models`, such "
                f"as {shown(next(iter(self.candidates), ''))}"
            )
        return self.fit(self.candidates[name])

    def __contains__(self, name: object) -> bool:
        """Whether there is a candidate of this name."""
        return name in self.candidates

    def __iter__(self) -> Iterator[str]:
        """Names, the smallest criterion first."""
        return iter(self.candidates)

    def __len__(self) -> int:
        """Number of candidates."""
        return len(self.candidates)

    def __repr__(self) -> str:
        return f"<fits of {len(self)} models, made when asked for>"


@dataclass(frozen=True, eq=False)
class KeptReports:
    """Reports of a few fits, each made once in a process.

    Attributes
    ----------
    check : callable
        Gives the same report whenever it is called.
    """

    check: Callable[[Any], Report]
    _made: dict[int, tuple[Any, Report]] = field(default_factory=dict)

    def __call__(self, model: Any) -> Report:
        """The report of a fit, made or kept; the fit is kept with it, so that its id is its own."""
        if id(model) not in self._made:
            self._made[id(model)] = (model, self.check(model))
        return self._made[id(model)][1]

    def __getstate__(self) -> dict[str, Any]:
        return {"check": self.check, "_made": {}}


@dataclass(frozen=True, eq=False)
class SuiteCheck:
    """The report of a suite; the same random streams for every model."""

    suite: Suite | Check | None
    policy: Policy | None
    seed: int
    draws: int | None = None
    calibration: Calibration | None = None
    conditioning: Conditioning = "posterior"
    n_jobs: int | None = 1

    def __call__(self, model: Any) -> Report:
        """Run the suite on a model."""
        return check(
            model,
            self.suite,
            policy=self.policy,
            seed=self.seed,
            draws=self.draws,
            calibration=self.calibration,
            conditioning=self.conditioning,
            n_jobs=self.n_jobs,
        )
