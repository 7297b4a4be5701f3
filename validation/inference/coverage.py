"""Coverage of the intervals of a fit, in small designs.

    python validation/inference/coverage.py --only gaussian_6x8 --methods default --replicates 200

Data set number k of a design depends on its name and on k alone, so that the study runs in pieces:
a piece replaces the stored rows of its design and methods. Each row of `coverage.json` is a design,
a parameter and an interval: how often it covers the truth, how often it lies above or below it, how
often it is not defined (which counts as not covering), and the Monte Carlo standard error.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

import mixcheck as mc

RESULTS = Path(__file__).with_name("coverage.json")
LEVEL = 0.95
DRAWS = 399


@dataclass(frozen=True)
class Design:
    """Groups of rows, with one predictor of the groups and one of the rows."""

    family: str
    groups: int
    rows: int
    deviation: float
    intercept: float
    reml: bool = False
    by_group: float = 0.5
    within: float = 0.5

    def truth(self) -> dict[str, float]:
        """The parameters that intervals are counted of."""
        return {"z": self.by_group, "x": self.within, "sd(g, Intercept)": self.deviation}

    def simulate(self, rng: np.random.Generator) -> pd.DataFrame:
        """One data set; half of the groups have z = 1."""
        g = np.repeat(np.arange(self.groups), self.rows)
        z, x = (g % 2).astype(float), rng.normal(size=g.size)
        effects = self.deviation * rng.normal(size=self.groups)
        eta = self.intercept + self.by_group * z + self.within * x + effects[g]
        if self.family == "gaussian":
            y = eta + rng.normal(size=g.size)
        elif self.family == "poisson":
            y = rng.poisson(np.exp(eta)).astype(float)
        else:
            y = (rng.uniform(size=g.size) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
        return pd.DataFrame({"y": y, "z": z, "x": x, "g": g})

    def fit(self, data: pd.DataFrame) -> mc.GLMM:
        """The model that made them."""
        return mc.glmm("y ~ z + x + (1 | g)", data, family=self.family, reml=self.reml)


DESIGNS = {
    "bernoulli_30x5": Design("binomial", 30, 5, 1.0, 0.3),
    "poisson_15x4": Design("poisson", 15, 4, 0.5, 0.7),
    "gaussian_6x8": Design("gaussian", 6, 8, 1.0, 0.0),
    "gaussian_6x8_reml": Design("gaussian", 6, 8, 1.0, 0.0, reml=True),
    "gaussian_12x6": Design("gaussian", 12, 6, 1.0, 0.0),
    "gaussian_12x6_reml": Design("gaussian", 12, 6, 1.0, 0.0, reml=True),
    "bernoulli_6x20": Design("binomial", 6, 20, 1.0, 0.3),
    "poisson_6x10": Design("poisson", 6, 10, 0.5, 0.7),
}

Intervals = Callable[[mc.GLMM, int], pd.DataFrame]


def _wald(ddf: str) -> Intervals:
    return lambda fit, _: fit.conf_int(method="wald", parameters="all", ddf=ddf)


def _default(fit: mc.GLMM, _: int) -> pd.DataFrame:
    return fit.conf_int(parameters="all")


def _profile(fit: mc.GLMM, _: int) -> pd.DataFrame:
    return fit.conf_int(method="profile", parameters="random" if fit.method.restricted else "all")


def _bootstrap(interval: str) -> Intervals:
    return lambda fit, seed: fit.conf_int(
        method="bootstrap", parameters="all", draws=DRAWS, interval=interval, seed=seed
    )


METHODS: dict[str, Intervals] = {
    "default": _default,
    "normal": _wald("normal"),
    "satterthwaite": _wald("satterthwaite"),
    "restricted-containment": _wald("restricted-containment"),
    "containment": _wald("containment"),
    "between-within": _wald("between-within"),
    "profile": _profile,
    "percentile": _bootstrap("percentile"),
    "basic": _bootstrap("basic"),
}
GROUPS = {
    "default": ("default",),
    "wald": ("normal", "satterthwaite", "restricted-containment", "containment", "between-within"),
    "profile": ("profile",),
    "bootstrap": ("percentile", "basic"),
}


@dataclass
class Count:
    """What happened to one interval."""

    design: str
    method: str
    parameter: str
    truth: float
    replicates: int = 0
    covered: int = 0
    above: int = 0
    below: int = 0
    undefined: int = 0
    widths: list[float] = field(default_factory=list)

    def see(self, low: float, high: float) -> None:
        """Count one interval."""
        self.replicates += 1
        if math.isnan(low) or math.isnan(high):
            self.undefined += 1
            return
        self.covered += low <= self.truth <= high
        self.above += low > self.truth
        self.below += high < self.truth
        self.widths.append(high - low)

    def row(self) -> dict[str, object]:
        """As stored."""
        out = asdict(self)
        widths = out.pop("widths")
        share = self.covered / max(self.replicates, 1)
        out["coverage"] = round(share, 4)
        out["standard_error"] = round(math.sqrt(share * (1 - share) / max(self.replicates, 1)), 4)
        out["median_width"] = round(float(np.median(widths)), 4) if widths else None
        return out


def run(
    name: str, methods: tuple[str, ...], first: int, replicates: int
) -> list[dict[str, object]]:
    """Count the intervals of a design in some of its data sets."""
    design, counts = DESIGNS[name], {}
    failed, start = 0, time.process_time()
    for k in range(first, first + replicates):
        rng = np.random.default_rng([zlib.crc32(name.removesuffix("_reml").encode()), k])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mc.errors.MixcheckWarning)
            try:
                fit = design.fit(design.simulate(rng))
            except mc.errors.MixcheckError:
                failed += 1
                continue
            for method in methods:
                try:
                    ends = METHODS[method](fit, k)
                except mc.errors.OptionError:
                    continue
                for parameter, truth in design.truth().items():
                    if parameter in ends.index:
                        key = (method, parameter)
                        seen = counts.setdefault(key, Count(name, method, parameter, truth))
                        seen.see(*ends.loc[parameter, ["low", "high"]])
    took = round(time.process_time() - start, 1)
    about = {"first": first, "failed_fits": failed, "cpu_seconds_of_piece": took}
    return [count.row() | about for count in counts.values()]


def store(rows: list[dict[str, object]]) -> None:
    """Put rows in the place of those of the same design, method and parameter."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    names = ("design", "method", "parameter")
    table = {tuple(row[k] for k in names): row for row in [*known, *rows]}
    lines = ",\n".join(json.dumps(table[key]) for key in sorted(table))
    RESULTS.write_text(f"[\n{lines}\n]\n")


def main() -> None:
    """Run a piece of the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=list(DESIGNS), default=list(DESIGNS))
    parser.add_argument("--methods", nargs="*", choices=list(GROUPS), default=list(GROUPS))
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    for name in given.only:
        for group in given.methods:
            rows = run(name, GROUPS[group], given.first, given.replicates)
            store(rows)
            for row in rows:
                print(*(row[k] for k in ("design", "method", "parameter", "coverage", "undefined")))


if __name__ == "__main__":
    main()
