"""Single checks: false positives in correct models, and power against what each is for.

Five designs of correct models, and six faults. Each rate is stored with the number of data sets
that it rests on; its Monte Carlo standard error is ``sqrt(r (1 - r) / n)``.

    python validation/checks/study.py correct --calibration plug-in --datasets 200
    python validation/checks/study.py correct --calibration one-step --datasets 100
    python validation/checks/study.py wrong --calibration plug-in --datasets 100

Results are added to ``results.json`` beside this file.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import mixcheck as mc
from mixcheck.checks import Outliers, RandomEffects, Trend, Uniformity, Zeros

RESULTS = Path(__file__).with_name("results.json")
LEVEL = 0.05
DRAWS = 199

Make = Callable[[pd.DataFrame, np.ndarray, np.random.Generator], np.ndarray]
Effects = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Design:
    """One way of making data, and the model that is fitted to them.

    Attributes
    ----------
    family, formula : str
    make : callable
        Response from the table, the linear predictor and a generator.
    groups, rows : int
    sd : float
        Of the random intercepts.
    uneven : bool
        Whether groups have from 1 to 2 `rows` - 1 rows.
    added : callable or None
        What is added to the linear predictor and is not in the model.
    effects : callable
        Random effects with variance one.
    """

    family: str
    make: Make
    groups: int = 30
    rows: int = 10
    sd: float = 0.6
    formula: str = "y ~ x + (1 | g)"
    uneven: bool = False
    added: Callable[[pd.DataFrame], np.ndarray] | None = None
    effects: Effects = lambda rng, m: rng.normal(size=m)

    def data(self, rng: np.random.Generator) -> pd.DataFrame:
        """One data set, with columns beside the model: z and f of rows, w of groups."""
        sizes = rng.integers(1, 2 * self.rows, self.groups) if self.uneven else self.rows
        g = np.repeat(np.arange(self.groups), sizes)
        n = g.size
        table = pd.DataFrame({"g": g, "x": rng.normal(size=n), "z": rng.normal(size=n)})
        table["w"], table["f"] = rng.normal(size=self.groups)[g], rng.choice(list("abcde"), n)
        eta = 0.4 * table["x"].to_numpy() + self.sd * self.effects(rng, self.groups)[g]
        if self.added is not None:
            eta = eta + self.added(table)
        return table.assign(y=self.make(table, eta, rng))


def poisson(table: pd.DataFrame, eta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Counts of about two."""
    return rng.poisson(np.exp(0.5 + eta))


def events(table: pd.DataFrame, eta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Events of about one in five."""
    return rng.binomial(1, 1.0 / (1.0 + np.exp(1.3 - eta)))


def normal(table: pd.DataFrame, eta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A normal error of one."""
    return eta + rng.normal(size=eta.size)


def gamma(table: pd.DataFrame, eta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gamma with shape two."""
    return np.exp(eta) * rng.gamma(2.0, 0.5, eta.size)


def clumped(table: pd.DataFrame, eta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Negative binomial with size 1.5."""
    return rng.poisson(np.exp(1.0 + eta) * rng.gamma(1.5, 1.0 / 1.5, eta.size))


def inflated(table: pd.DataFrame, eta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Counts of about three of which an eighth is zero by itself."""
    return np.where(rng.random(eta.size) < 0.12, 0, rng.poisson(np.exp(1.0 + eta)))


def gross(table: pd.DataFrame, eta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A normal error, and one row in a hundred five deviations off."""
    return normal(table, eta, rng) + 5.0 * (rng.random(eta.size) < 0.01)


def heavy(table: pd.DataFrame, eta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Errors of a t with four degrees of freedom."""
    return eta + rng.standard_t(4.0, eta.size)


def two_kinds(rng: np.random.Generator, m: int) -> np.ndarray:
    """Effects around -0.9 and 0.9, with variance one."""
    return np.where(rng.random(m) < 0.5, -0.9, 0.9) + 0.436 * rng.normal(size=m)


def long_tails(rng: np.random.Generator, m: int) -> np.ndarray:
    """Effects of a t with 2.5 degrees of freedom, whose variance is five."""
    return rng.standard_t(2.5, m) / np.sqrt(5.0)


def square(table: pd.DataFrame) -> np.ndarray:
    """The square of the predictor."""
    return 0.3 * (table["x"].to_numpy() ** 2 - 1.0)


def of_groups(table: pd.DataFrame) -> np.ndarray:
    """A predictor that is constant in groups."""
    return 0.5 * table["w"].to_numpy()


CORRECT = {
    "counts, uneven groups": Design("poisson", poisson, uneven=True),
    "events, groups of 8": Design("binomial", events, 40, 8),
    "normal, slopes": Design("gaussian", normal, 25, 12, formula="y ~ x + (1 + z | g)"),
    "gamma, groups of 4": Design("gamma", gamma, 60, 4),
    "negative binomial": Design("nbinom2", clumped),
}
WRONG = {
    "events, square missing": Design("binomial", events, added=square),
    "counts, predictor of groups missing": Design("poisson", poisson, 50, 8, added=of_groups),
    "counts, zeros inflated": Design("poisson", inflated),
    "normal, gross errors": Design("gaussian", gross),
    "normal, heavy tails": Design("gaussian", heavy),
    "normal, effects of two kinds": Design("gaussian", normal, 60, 15, 1.0, effects=two_kinds),
    "normal, effects with long tails": Design("gaussian", normal, 60, 15, 1.0, effects=long_tails),
}
SUITE = (
    Uniformity()
    & Outliers()
    & Zeros()
    & Trend()
    & Trend("z")
    & Trend("w")
    & Trend("f")
    & RandomEffects()
    & RandomEffects("ks")
)


def rates(design: Design, datasets: int, calibration: str, first: int) -> dict[str, object]:
    """Share of data sets in which each check has a p-value of 5 % or less."""
    below: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for seed in range(first, first + datasets):
        table = design.data(np.random.default_rng([seed, 77]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                fit = mc.glmm(design.formula, table, family=design.family)
            except mc.MixcheckError:
                continue
            report = mc.check(fit, SUITE, seed=seed, draws=DRAWS, calibration=calibration)
        for finding in report.findings:
            pvalue = getattr(finding, "pvalue", None)
            if pvalue is not None:
                asked[finding.check] += 1
                below[finding.check] += pvalue <= LEVEL
    return {name: [round(below[name] / count, 4), count] for name, count in asked.items()}


def main() -> None:
    """Run one part and add it to the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("correct", "wrong"))
    parser.add_argument("--calibration", default="plug-in")
    parser.add_argument("--datasets", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first data set")
    parser.add_argument("--design", default="", help="only designs with this in their names")
    arguments = parser.parse_args()
    designs = CORRECT if arguments.part == "correct" else WRONG
    for name, design in designs.items():
        if arguments.design not in name:
            continue
        found = rates(design, arguments.datasets, arguments.calibration, arguments.first)
        print(name, arguments.calibration, found, flush=True)
        stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        stored.setdefault(arguments.part, {}).setdefault(name, {})[arguments.calibration] = found
        RESULTS.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
