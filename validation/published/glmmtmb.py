"""glmmTMB on its own data: owls and salamanders."""

from __future__ import annotations

import math
from typing import Any

import mixcheck as mc
from validation.published import r_values
from validation.published.fits import sd
from validation.published.frame import Case, Number, Source, Tables, Values

SYSTEM = "glmmTMB"
RUN = Source(
    f"glmmTMB {r_values.VERSIONS['glmmTMB']}, R {r_values.VERSIONS['R']}, to a vanishing gradient",
    "validation/published/r_values.R",
    "run",
)
LLF, PARAMETER = 1e-6, 1e-5
BECAUSE = "both end where the gradient vanishes: 1e-6 in a log-likelihood, 1e-5 elsewhere"
OWLS = (
    "SiblingNegotiation ~ (FoodTreatment + ArrivalTime) * SexParent + offset(log(BroodSize)) + "
    "(1 | Nest)"
)
SALAMANDERS = "count ~ spp + mined + (1 | site)"


def _case(
    name: str, entry: str, table: str, formula: str, family: str, group: str, **options: Any
) -> Case:
    record = r_values.load("glmmtmb", entry)
    pairs = [("log-likelihood", record["llf"], LLF)]
    pairs += [(shown, value, _allowed(value)) for shown, value in record["fixef"].items()]
    pairs += [
        (f"zi {shown}", value, _allowed(value)) for shown, value in dict(record["zi"]).items()
    ]
    pairs.append((f"log sd {group}", record["log_sd"][0], _allowed(record["log_sd"][0])))
    if record["betad"] and "dispersion" not in options:
        pairs.append(("log dispersion", record["betad"][0], _allowed(record["betad"][0])))

    def ours(tables: Tables) -> Values:
        fit = mc.glmm(formula, tables.shipped(table), family=family, **options)
        values = {"log-likelihood": float(fit.llf), f"log sd {group}": math.log(sd(fit, group))}
        for label, value in fit.params.items():
            part, _, coefficient = str(label).rpartition(": ")
            shown = r_values.name(coefficient)
            values[f"{part} {shown}".strip()] = float(value)
        if fit.dispersion is not None:
            values["log dispersion"] = math.log(fit.dispersion)
        return values

    return Case(
        SYSTEM,
        name,
        f"{formula}, {family}" + "".join(f", {k} {v}" for k, v in options.items()),
        "Laplace's approximation",
        RUN,
        tuple(Number(shown, value, allowed, BECAUSE) for shown, value, allowed in pairs),
        ours,
    )


def _allowed(value: float) -> float:
    return PARAMETER * max(1.0, abs(value))


CASES = (
    _case("owls, zero-inflated Poisson", "owls_zip", "Owls", OWLS, "poisson", "Nest", zi="~ 1"),
    _case("owls, nbinom1", "owls_nbinom1", "Owls", OWLS, "nbinom1", "Nest"),
    _case("owls, zero-inflated nbinom1", "owls_zinb1", "Owls", OWLS, "nbinom1", "Nest", zi="~ 1"),
    _case("owls, zero-inflated nbinom2", "owls_zinb2", "Owls", OWLS, "nbinom2", "Nest", zi="~ 1"),
    _case(
        "salamanders, nbinom2", "salamanders_nbinom2", "Salamanders", SALAMANDERS, "nbinom2", "site"
    ),
    _case(
        "salamanders, zero-inflated Poisson",
        "salamanders_zip",
        "Salamanders",
        SALAMANDERS,
        "poisson",
        "site",
        zi="~ mined",
    ),
    _case(
        "salamanders, zero-inflated nbinom2",
        "salamanders_zinb2",
        "Salamanders",
        SALAMANDERS,
        "nbinom2",
        "site",
        zi="~ mined",
    ),
    _case(
        "salamanders, nbinom2 with a dispersion for each species",
        "salamanders_dispersion",
        "Salamanders",
        SALAMANDERS,
        "nbinom2",
        "site",
        dispersion="~ spp",
    ),
)
