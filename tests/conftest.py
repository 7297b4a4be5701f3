"""Fits of published data, made once."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import mixcheck as mc

REFERENCE = Path(__file__).parent / "data" / "reference.json"
CASES: dict[str, dict[str, Any]] = json.loads(REFERENCE.read_text())["cases"]


settings.register_profile("many", deadline=None, derandomize=True, max_examples=400)
settings.register_profile("few", settings.get_profile("many"), max_examples=10)


def pytest_configure(config: pytest.Config) -> None:
    """The inner loop, which leaves out what is slow, draws fewer examples of each law."""
    settings.load_profile("few" if config.getoption("markexpr") == "not slow" else "many")


def pytest_collection_finish() -> None:
    """Modules and tests stay to the end: the garbage collector need not look at them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def reference() -> dict[str, dict[str, Any]]:
    """Reference cases by name: the call and the answer."""
    return CASES


@pytest.fixture(scope="session")
def fits() -> dict[str, mc.GLMM]:
    """Fits of the reference cases, made when they are asked for."""
    return _Fits()


class _Fits(dict[str, mc.GLMM]):
    def __missing__(self, name: str) -> mc.GLMM:
        case = CASES[name]
        data = mc.datasets.load(case["dataset"])
        data = data.assign(**{column: data.eval(text) for column, text in case["assign"].items()})
        family = getattr(mc.families, case["family"])(link=case["link"])
        options: dict[str, Any] = {"hessian": case["hessian"]}
        if case["method"] == "agq":
            options = {"method": "agq", "nodes": case["nodes"]}
        self[name] = mc.glmm(case["formula"], data, family=family, **options)
        return self[name]


@pytest.fixture(scope="session")
def cbpp(fits: dict[str, mc.GLMM]) -> mc.GLMM:
    """Binomial, one scalar factor."""
    return fits["cbpp"]


@pytest.fixture(scope="session")
def epil(fits: dict[str, mc.GLMM]) -> mc.GLMM:
    """Poisson, a vector term."""
    return fits["epil_4"]


@pytest.fixture(scope="session")
def sleepstudy(fits: dict[str, mc.GLMM]) -> mc.GLMM:
    """Gaussian, a vector term."""
    return fits["sleepstudy"]


@pytest.fixture(scope="session")
def grouseticks(fits: dict[str, mc.GLMM]) -> mc.GLMM:
    """Poisson, three nested factors."""
    return fits["grouseticks"]
