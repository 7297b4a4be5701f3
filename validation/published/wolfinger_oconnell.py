"""The pseudo-likelihoods of Wolfinger and O'Connell (1993), restricted and not."""

from __future__ import annotations

from validation.published.frame import Case, Number, Source
from validation.published.linearised import CBPP, DENSE, SALAMANDER, Model

SYSTEM = "Wolfinger and O'Connell (1993)"
PAPER = (
    "Wolfinger and O'Connell (1993), Journal of Statistical Computation and Simulation 48, 233-243"
)
NOTE = "The dispersion is held at one, as PROC GLIMMIX does; the paper's %GLIMMIX estimates it."


def _case(name: str, model: Model, restricted: bool, data: str | None = None) -> Case:
    names = [shown for coefficient in model.names for shown in (coefficient, f"se {coefficient}")]
    of_groups = [f"{what} {g}" for g in model.groups for what in ("variance", "se variance")]
    quantities = (*names, *of_groups, "-2 log pseudo-likelihood", "generalised chi-square")
    return Case(
        SYSTEM,
        f"{name}, {'REPL' if restricted else 'PL'}",
        f"{model.formula}, {model.family}",
        "restricted pseudo-likelihood" if restricted else "pseudo-likelihood",
        Source(PAPER, "its two pseudo-likelihoods", "none"),
        tuple(Number(quantity, None) for quantity in quantities),
        lambda tables: model.ours(tables, restricted=restricted),
        lambda tables: model.independent(tables, restricted=restricted),
        DENSE,
        data=data,
        slow=data is not None,
        note=NOTE,
    )


CASES = (
    _case("cbpp", CBPP, True),
    _case("cbpp", CBPP, False),
    _case("salamander mating", SALAMANDER, True, "salamander_lme4.csv"),
    _case("salamander mating", SALAMANDER, False, "salamander_lme4.csv"),
)
