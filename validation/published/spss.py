"""GENLINMIXED of SPSS: its linearisation, on public data.

Its manual shows the samples test_scores, anticonvulsants and cable, which come with SPSS only.
Its method is the linearisation that PROC GLIMMIX calls RSPL.
"""

from __future__ import annotations

from validation.published.frame import Case, Number, Source
from validation.published.linearised import CBPP, DENSE, MULTICENTER, SEEDS, Model

SYSTEM = "SPSS GENLINMIXED"
MANUAL = Source("IBM SPSS Statistics Algorithms", "GENLINMIXED Algorithms", "none")
NOTE = (
    "The samples of its manual come with SPSS only, so that no published digits can be compared: "
    "its linearisation, which is restricted pseudo-likelihood, is shown on public data."
)


def _case(name: str, model: Model) -> Case:
    names = [shown for coefficient in model.names for shown in (coefficient, f"se {coefficient}")]
    of_groups = [f"{what} {g}" for g in model.groups for what in ("variance", "se variance")]
    return Case(
        SYSTEM,
        name,
        f"{model.formula}, {model.family}",
        "restricted pseudo-likelihood",
        MANUAL,
        tuple(Number(q, None) for q in (*names, *of_groups, "-2 log pseudo-likelihood")),
        lambda tables: model.ours(tables, restricted=True),
        lambda tables: model.independent(tables, restricted=True),
        DENSE,
        note=NOTE,
    )


CASES = (_case("multicentre trial", MULTICENTER), _case("seeds", SEEDS), _case("cbpp", CBPP))
