"""Penalised quasi-likelihood in Breslow and Clayton (1993): seeds, epilepsy, salamanders."""

from __future__ import annotations

from validation.published.frame import Case, Number, Source
from validation.published.linearised import DENSE, EPIL_3, SALAMANDER, SEEDS, Model

SYSTEM = "Breslow and Clayton (1993)"
PAPER = "Breslow and Clayton (1993), Journal of the American Statistical Association 88, 9-25"
RSPL = "PQL with variances by restricted pseudo-likelihood"
QUOTED = Source(
    f"{PAPER}, as quoted in the OpenBUGS and MultiBUGS examples, volume I",
    "Epilepsy: repeated measures on Poisson counts, last paragraph",
    "quoted",
)


def _all(model: Model) -> tuple[Number, ...]:
    names = [name for shown in model.names for name in (shown, f"se {shown}")]
    return tuple(Number(name, None) for name in (*names, *(f"sd {g}" for g in model.groups)))


EXPECTED = (
    "Their standard errors of deviations are by the expected information of the working model, "
    "which gives 0.065 and 0.043; ours are by the observed one."
)
_EPILEPSY = (
    Number("Intercept", "-1.27"),
    Number("se Intercept", "1.2"),
    Number("Base", "0.86"),
    Number("se Base", "0.13"),
    Number("Trt", "-0.93"),
    Number("se Trt", "0.40"),
    Number("Base x Trt", "0.34"),
    Number("se Base x Trt", "0.21"),
    Number("Age", "0.47"),
    Number("se Age", "0.35"),
    Number("V4", "-0.10"),
    Number(
        "se V4",
        "0.90",
        note="The quoted standard error of V4 is a misprint: it is ten times too large.",
    ),
    Number("sd subject", "0.48"),
    Number("se sd subject", "0.06", another=True, note=EXPECTED),
    Number("sd obs", "0.36"),
    Number("se sd obs", "0.04", another=True, note=EXPECTED),
)

CASES = (
    Case(
        SYSTEM,
        "seeds",
        f"{SEEDS.formula}, binomial",
        RSPL,
        Source(PAPER, "the seeds of Crowder (1978)", "none"),
        _all(SEEDS),
        lambda tables: SEEDS.ours(tables, restricted=True),
        lambda tables: SEEDS.independent(tables, restricted=True),
        DENSE,
    ),
    Case(
        SYSTEM,
        "epilepsy, model III",
        f"{EPIL_3.formula}, poisson",
        RSPL,
        QUOTED,
        _EPILEPSY,
        lambda tables: EPIL_3.ours(tables, restricted=True),
        lambda tables: EPIL_3.independent(tables, restricted=True),
        DENSE,
        slow=True,
    ),
    Case(
        SYSTEM,
        "salamander mating",
        f"{SALAMANDER.formula}, binomial",
        RSPL,
        Source(PAPER, "the salamander matings", "none"),
        _all(SALAMANDER),
        lambda tables: SALAMANDER.ours(tables, restricted=True),
        lambda tables: SALAMANDER.independent(tables, restricted=True),
        DENSE,
        data="salamander_lme4.csv",
        slow=True,
    ),
)
