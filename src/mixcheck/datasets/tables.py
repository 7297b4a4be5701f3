"""Small published tables with their source, loaded by name."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Final

import pandas as pd

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import shown
from mixcheck.errors import OptionError

__all__ = ["Dataset", "available", "describe", "load"]


@dataclass(frozen=True)
class Dataset:
    """Where a table comes from.

    Attributes
    ----------
    name : str
        Name for ``load``.
    description : str
        What a row is and what was asked.
    source : str
        Publication, and the package the numbers were taken from.
    licence : str
        Under what the source is distributed.
    example : str
        A formula that is often fitted to it.
    """

    name: str
    description: str
    source: str
    licence: str
    example: str

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.description}\n  Source: {self.source}\n"
            f"  Licence: {self.licence}\n  Example: {self.example}"
        )


_LME4: Final = "numbers as in the R package lme4 1.1-31, which is GPL (>= 2)"
_GLMMTMB: Final = "numbers as in the R package glmmTMB 1.1.5, which is AGPL-3"
_MASS: Final = "numbers as in the R package MASS 7.3-58.2, which is GPL-2 | GPL-3"
_NLME: Final = "numbers as in the R package nlme 3.1-162, which is GPL (>= 2)"
_PRINTED: Final = "numbers as printed in the publication"

_REGISTRY: Final = (
    Dataset(
        "Dyestuff2",
        "Yield of 5 preparations from each of 6 batches; the variance between batches is "
        "estimated as zero.",
        "Box, G. E. P. and Tiao, G. C. (1973), Bayesian Inference in Statistical Analysis, "
        "table 5.1.4.",
        _LME4,
        "Yield ~ 1 + (1 | Batch)",
    ),
    Dataset(
        "Orthodont",
        "Distance (mm) from pituitary to pterygomaxillary fissure of 27 children at ages 8, 10, "
        "12 and 14.",
        "Potthoff, R. F. and Roy, S. N. (1964), Biometrika 51, 313-326.",
        _NLME,
        "distance ~ age * Sex + (age | Subject)",
    ),
    Dataset(
        "Owls",
        "Calls of barn owl siblings in the 15 minutes before a parent arrived, 599 visits to 27 "
        "nests.",
        "Roulin, A. and Bersier, L.-F. (2007), Animal Behaviour 74, 1099-1106; Zuur, A. F. et al. "
        "(2009), Mixed Effects Models and Extensions in Ecology with R.",
        _GLMMTMB,
        "SiblingNegotiation ~ FoodTreatment * SexParent + offset(log(BroodSize)) + (1 | Nest)",
    ),
    Dataset(
        "Pastes",
        "Strength of a chemical paste, 2 assays of each of 3 casks in each of 10 batches.",
        "Davies, O. L. and Goldsmith, P. L. (1972), Statistical Methods in Research and "
        "Production, 4th edition, table 6.4.",
        _LME4,
        "strength ~ 1 + (1 | batch/cask)",
    ),
    Dataset(
        "Salamanders",
        "Salamanders counted at 4 visits to 23 stream sites, 7 species or life stages, some sites "
        "below coal mines.",
        "Price, S. J., Muncy, B. L., Bonner, S. J., Drayer, A. N. and Barton, C. D. (2016), "
        "Journal of Applied Ecology 53, 459-468.",
        _GLMMTMB,
        "count ~ mined + spp + (1 | site)",
    ),
    Dataset(
        "bacteria",
        "Presence of H. influenzae in 50 children with otitis media, tested up to 5 times, under "
        "placebo or drug.",
        "Venables, W. N. and Ripley, B. D. (2002), Modern Applied Statistics with S, 4th edition, "
        "section 10.4; a trial of A. Leach, Menzies School of Health Research.",
        _MASS,
        "y ~ trt + {week > 2} + (1 | ID)",
    ),
    Dataset(
        "cbpp",
        "New cases of contagious bovine pleuropneumonia and animals at risk in 15 zebu herds over "
        "4 periods.",
        "Lesnoff, M., Laval, G., Bonnet, P., Abdicho, S., Workalemahu, A., Kifle, D., Peyraud, A., "
        "Lancelot, R. and Thiaucourt, F. (2004), Preventive Veterinary Medicine 64, 27-40.",
        _LME4,
        "incidence / size ~ period + (1 | herd)",
    ),
    Dataset(
        "epil",
        "Seizures of 59 people with epilepsy in 4 periods of two weeks, under placebo or "
        "progabide.",
        "Thall, P. F. and Vail, S. C. (1990), Biometrics 46, 657-671.",
        _MASS,
        "y ~ lbase * trt + lage + V4 + (1 | subject)",
    ),
    Dataset(
        "grouseticks",
        "Ticks on the heads of 403 red grouse chicks of 118 broods at 63 locations in 3 years.",
        "Elston, D. A., Moss, R., Boulinier, T., Arrowsmith, C. and Lambin, X. (2001), "
        "Parasitology 122, 563-569.",
        _LME4,
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
    ),
    Dataset(
        "multicenter",
        "Patients with side effects under treatments A and B in 15 centres.",
        "SAS/STAT User's Guide, The GLIMMIX Procedure, Getting Started: Logistic Regressions with "
        "Random Intercepts.",
        _PRINTED,
        "sideeffect / n ~ group + (1 | center)",
    ),
    Dataset(
        "seeds",
        "Seeds germinated (r of n) on 21 plates; x1 = 0 for Orobanche aegyptiaca 75 and 1 for 73, "
        "x2 = 0 for an extract of bean and 1 for cucumber.",
        "Crowder, M. J. (1978), Applied Statistics 27, 34-37, table 3.",
        _PRINTED,
        "r / n ~ x1 * x2 + (1 | plate)",
    ),
    Dataset(
        "sleepstudy",
        "Mean reaction time (ms) of 18 people on each day of 10; nights of 3 hours of sleep from "
        "day 2.",
        "Belenky, G. et al. (2003), Journal of Sleep Research 12, 1-12.",
        _LME4,
        "Reaction ~ Days + (Days | Subject)",
    ),
)
_BY_NAME: Final = {dataset.name: dataset for dataset in _REGISTRY}


@answer_calls
def available() -> tuple[str, ...]:
    """Names of the data sets.

    Examples
    --------
    >>> "cbpp" in available()
    True
    """
    return tuple(_BY_NAME)


@answer_calls
def describe(name: str) -> Dataset:
    """Where a data set comes from.

    Raises
    ------
    OptionError
        If there is none of that name.

    Examples
    --------
    >>> describe("cbpp").example
    'incidence / size ~ period + (1 | herd)'
    """
    if not isinstance(name, str) or name not in _BY_NAME:
        near = get_close_matches(name if isinstance(name, str) else "", _BY_NAME, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise OptionError(f"No data set {shown(name)}.{hint} There are {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


@answer_calls
def load(name: str) -> pd.DataFrame:
    """A data set as a new frame; factors are categories in the order of their source.

    Raises
    ------
    OptionError
        If there is none of that name.

    Examples
    --------
    >>> load("cbpp").shape
    (56, 4)
    """
    file = f"{describe(name).name}.csv"
    levels = _levels().get(name, {})
    with (files("mixcheck.datasets") / file).open(encoding="utf-8") as stream:
        frame = pd.read_csv(stream, dtype=dict.fromkeys(levels, str))
    for column, order in levels.items():
        frame[column] = pd.Categorical(frame[column], categories=list(order))
    return frame


@cache
def _levels() -> dict[str, dict[str, tuple[str, ...]]]:
    """Order of the levels of every factor, by data set and column."""
    tables = []
    for file in ("r_levels.csv", "typed_levels.csv"):
        with (files("mixcheck.datasets") / file).open(encoding="utf-8") as stream:
            tables.append(pd.read_csv(stream, dtype=str, keep_default_na=False))
    table = pd.concat(tables)
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for (dataset, column), rows in table.groupby(["dataset", "column"], sort=False):
        found.setdefault(str(dataset), {})[str(column)] = tuple(rows["level"])
    return found
