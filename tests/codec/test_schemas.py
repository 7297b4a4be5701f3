"""The published JSON Schema is that of today. ``python tests/codec/test_schemas.py`` writes it."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import mixcheck as mc
from mixcheck.codec.documents import from_json, json_schema
from mixcheck.comparison.score_difference import ScoreDifference
from mixcheck.errors import MixcheckError

FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "schemas"
STORED = Path(__file__).parents[1] / "data" / "stored"
TYPES: dict[str, Any] = {
    "report": mc.Report,
    "suite": mc.checks.Suite,
    "policy": mc.Policy,
    "selection": mc.Selection,
    "suggestions": mc.Suggestions,
    "comparison": mc.Comparison,
    "likelihood-ratio": mc.LikelihoodRatio,
    "bootstrap-ratio": mc.BootstrapRatio,
    "vuong": mc.Vuong,
    "group-scores": mc.GroupScores,
    "row-scores": mc.RowScores,
    "score-difference": ScoreDifference,
}


def _schema(name: str) -> dict[str, Any]:
    return json_schema(TYPES[name], versioned=name not in ("suite", "policy"))


def _schema_text(name: str) -> str:
    return json.dumps(_schema(name), indent=1, ensure_ascii=False) + "\n"


def _validator(name: str) -> jsonschema.Draft202012Validator:
    text = (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


@cache
def _results() -> dict[str, str]:
    """The JSON of one real result of each kind."""
    sleep, cbpp = mc.datasets.load("sleepstudy"), mc.datasets.load("cbpp")
    line = "Reaction ~ Days + (1 | Subject)"
    simple, wide = mc.glmm(line, sleep), mc.glmm("Reaction ~ Days + (Days | Subject)", sleep)
    other = mc.glmm("Reaction ~ 1 + (Days | Subject)", sleep)
    counts = mc.glmm("incidence ~ period + (1 | herd)", cbpp, family="poisson")
    suite = (
        mc.checks.Suite.standard()
        & mc.checks.Zeros().by("period")
        & mc.checks.Outliers(0.01).where("period", "1").named("first")
        & mc.checks.Statistic(max, "less")
        & mc.checks.Count(3)
    )
    report = mc.check(
        counts,
        suite,
        seed=1,
        draws=99,
        calibration="plug-in",
        policy=mc.Policy(negligible={"a": 0.1}),
    )
    scores = mc.logo(simple)
    return {
        "report": report.to_json(),
        "suite": suite.to_json(),
        "policy": json.dumps(report.policy.to_dict()),
        "selection": mc.select(
            line, sleep, seed=1, checked=1, draws=19, calibration="plug-in"
        ).to_json(),
        "suggestions": mc.suggest(report, counts, most=1).to_json(),
        "comparison": mc.compare({"a": simple, "b": wide}).to_json(),
        "likelihood-ratio": mc.lrt(simple, wide).to_json(),
        "bootstrap-ratio": mc.bootstrap_lrt(simple, wide, draws=3, seed=1).to_json(),
        "vuong": mc.vuong(simple, other).to_json(),
        "group-scores": scores.to_json(),
        "row-scores": mc.loo(simple).to_json(),
        "score-difference": scores.minus(mc.logo(wide)).to_json(),
    }


@pytest.mark.parametrize("name", TYPES)
def test_the_published_schema_is_current(name):
    """It is what the declarations give, and itself a schema."""
    jsonschema.Draft202012Validator.check_schema(_schema(name))
    assert (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8") == _schema_text(name), (
        "run python tests/codec/test_schemas.py"
    )


@pytest.mark.parametrize("name", TYPES)
def test_results_are_valid(name):
    """A real result is what its schema says, and the schema names every item of it."""
    content = json.loads(_results()[name])
    _validator(name).validate(content)
    definition = _schema(name)["$defs"][TYPES[name].__name__]["properties"]
    assert set(content) <= {"schema_version", *definition}


@pytest.mark.parametrize("name", ["report", "suite", "selection"])
def test_files_of_earlier_versions_are_valid(name):
    """The schema allows what older files lack; the former word for "min-p" alone is not listed."""
    text = (STORED / f"{name}_early.json").read_text(encoding="utf-8")
    _validator(name).validate(json.loads(text.replace('"max-t"', '"min-p"')))


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("report", ("findings", 0, "n"), "many"),
        ("report", ("findings", 0, "pvalue"), 0.5),
        ("report", ("findings", 0, "outcome"), "found"),
        ("report", ("findings", 0, "replicates", "dtype"), "O"),
        ("report", ("findings", 0, "picture", "kind"), "pie"),
        ("report", ("policy", "adjust"), "some"),
        ("report", ("policy", "more"), 1),
        ("report", ("schema_version",), 2),
        ("suite", ("checks", 0, "statistic"), "lilliefors"),
        ("suite", ("checks", 3, "more"), 1),
        ("selection", ("models", 0, "delta"), "inf"),
        ("selection", ("models", 0, "df"), -1),
        ("selection", ("search",), "none"),
        ("selection", ("schema_version",), None),
    ],
)
def test_what_is_wrong_is_invalid(name, place, value):
    """What reading refuses, the schema refuses."""
    content = json.loads(_results()[name])
    held = content
    for step in place[:-1]:
        held = held[step]
    held[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        _validator(name).validate(content)
    with pytest.raises(MixcheckError):
        from_json(json.dumps(content), TYPES[name], name)


@pytest.mark.parametrize("name", ["report", "suite", "selection"])
def test_a_missing_item_is_invalid(name):
    """Each item that is required is missed by the schema and in reading."""
    content = json.loads(_results()[name])
    required = _schema(name)["$defs"][TYPES[name].__name__]["required"]
    assert required
    for item in required:
        less = {key: value for key, value in content.items() if key != item}
        assert not _validator(name).is_valid(less)
        with pytest.raises(MixcheckError, match=f"it has no item '{item}'"):
            from_json(json.dumps(less), TYPES[name], name)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for kind in TYPES:
        (FOLDER / f"{kind}.schema.json").write_text(_schema_text(kind), encoding="utf-8")
    sys.exit(0)
