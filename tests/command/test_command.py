"""The command line."""

from __future__ import annotations

import argparse
import inspect
import io
import json
import os
import signal
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.check import check_from_dict
from mixcheck.command import main
from mixcheck.command.main import VERBS, make_parser
from mixcheck.command.tables import read_table

CBPP = ["dataset:cbpp", "--formula", "incidence / size ~ period + (1 | herd)"]
CBPP += ["--family", "binomial"]
TICKS = ["dataset:grouseticks", "--formula", "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)"]
TICKS += ["--family", "poisson"]
FEW = ["--seed", "1", "--draws", "100", "--calibration", "plug-in"]


def _check(*words: str) -> int:
    return main(["check", *words])


def test_passing_model(capsys):
    """A model that passes ends with 0; the table and the seed are on standard output."""
    assert _check(*CBPP, *FEW) == 0
    out, err = capsys.readouterr()
    assert "56 observations, log-likelihood -92.0263" in out
    assert "None of 11 checks contradicts the model" in out
    assert "Seed: 1" in out
    assert err == ""


@pytest.mark.slow
def test_failing_model_in_every_format(tmp_path, capsys):
    """A failing check gives exit code 1 and the same verdicts in text, JSON, JUnit and HTML."""
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "junit", "report")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert _check(*TICKS, *FEW, *options) == 1
    report = mc.Report.from_json(files["json"])
    failed = [name for name, verdict in report.verdicts.items() if verdict is mc.Verdict.FAIL]
    assert "dispersion" in failed
    assert json.loads(files["json"].read_text())["ok"] is False
    failures = ElementTree.parse(files["junit"]).findall(".//testcase[failure]")
    assert [case.get("name") for case in failures] == failed
    assert files["report"].read_text(encoding="utf-8") == report.to_html()
    out = capsys.readouterr().out
    assert all(f"FAIL  {name}" in out for name in failed)
    assert all(f"Wrote {path}" in out for path in files.values())


def test_alpha_decides():
    """The level is that of the policy: at a stricter one another model passes."""
    assert _check(*CBPP, *FEW, "--alpha", "0.5") == 1
    assert _check(*CBPP, *FEW) == 0


def test_nothing_decided_is_no_pass(capsys):
    """Draws that could not have failed the model end with 3, and the first words say so."""
    assert _check(*TICKS, *FEW, "--alpha", "0.0001") == 3
    said = "UNDECIDED  Nothing is decided: 11 of 12 checks are undecided, uniformity"
    assert said in capsys.readouterr().out
    assert _check(*CBPP, "--draws", "1", "--seed", "1") == 3


def test_strict(capsys):
    """With --strict nothing but PASS ends with 0: skipped and undecided checks are failures."""
    pastes = ["dataset:Pastes", "--formula", "strength ~ 1 + (1 | sample)"]
    enough = ["--seed", "1", "--draws", "150", "--calibration", "plug-in"]
    assert _check(*pastes, "--family", "gaussian", *enough) == 0
    assert _check(*pastes, "--family", "gaussian", *enough, "--strict") == 1
    assert _check(*CBPP, *enough, "--strict") == 0
    few = ["--seed", "1", "--draws", "30", "--calibration", "plug-in"]
    assert _check(*CBPP, *few) == 3
    words = " ".join(capsys.readouterr().out.split())
    assert "3 checks are undecided: dispersion, zeros and link" in words
    assert "write draws=39 or more" in words
    assert _check(*CBPP, *few, "--strict") == 1


def test_seed_reproduces(tmp_path):
    """One seed gives one report; without it the seed that was drawn is in the report."""
    paths = [tmp_path / name for name in ("a.json", "b.json", "c.json")]
    # Any seed may be drawn, and a model close to the level passes by most of them.
    assert _check(*CBPP, *FEW[2:], "--json", str(paths[0])) in (0, 1)
    seed = json.loads(paths[0].read_text())["provenance"]["seed"]
    for path, number in zip(paths[1:], (seed, seed + 1), strict=True):
        _check(*CBPP, *FEW[2:], "--seed", str(number), "--json", str(path))
    texts = [path.read_text() for path in paths]
    assert texts[0] == texts[1] != texts[2]


def test_refits_and_link(tmp_path):
    """The link and the refits reach the fit and the checks."""
    path = tmp_path / "r.json"
    words = ["--link", "probit", "--seed", "1", "--json", str(path)]
    _check(*CBPP, *words, "--calibration", "refit", "--draws", "30")
    provenance = json.loads(path.read_text())["provenance"]
    assert (provenance["calibration"], provenance["draws"]) == ("refit", 30)
    assert provenance["model"]["link"] == "probit"


def test_the_earlier_spelling_of_refits(tmp_path, capsys):
    """``--refits N`` is read once more, with a warning that says what to write."""
    path = tmp_path / "r.json"
    _check(*CBPP, "--refits", "9", "--seed", "1", "--json", str(path))
    assert "write --calibration refit --draws 9" in capsys.readouterr().err
    assert json.loads(path.read_text())["provenance"]["replicates used"] == 9


def test_precision_reaches_the_fit(tmp_path, capsys):
    """A column of precisions is used, and refused where there is no variance to divide."""
    path = tmp_path / "r.json"
    words = ["dataset:sleepstudy", "--formula", "Reaction ~ (1 | Subject)", *FEW]
    _check(*words, "--family", "gaussian", "--precision", "Days", "--json", str(path))
    assert "precision must be positive" in capsys.readouterr().err
    _check(*words, "--family", "gaussian", "--precision", "Reaction", "--json", str(path))
    model = json.loads(path.read_text())["provenance"]["model"]
    assert model["formula"].endswith("dispersion ~ 1 + offset(-0.5 * log(Reaction))")
    assert _check(*CBPP, "--precision", "size") == 2


def test_progress_is_on_standard_error(capsys):
    """With --progress a line on standard error says how far the checks are."""
    _check(*CBPP, *FEW, "--progress")
    out, err = capsys.readouterr()
    assert "100 of 100" in err
    assert "100 of 100" not in out


def test_warnings_are_lines(capsys):
    """A warning of ours is one line on standard error, without a place in the source."""
    words = ["dataset:Dyestuff2", "--formula", "Yield ~ 1 + (1 | Batch)", "--family", "gaussian"]
    _check(*words, *FEW)
    err = capsys.readouterr().err
    assert err.startswith("mixcheck: warning: ")
    assert ".py" not in err


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".feather"])
def test_files_by_their_ending(tmp_path, ending):
    """A table is read as its ending says."""
    frame = pd.DataFrame({"x": [0.5, 1.5], "g": ["a", "b"]})
    path = tmp_path / f"table{ending}"
    writers = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".parquet": lambda: frame.to_parquet(path),
        ".feather": lambda: frame.to_feather(path),
    }
    writers[ending]()
    pd.testing.assert_frame_equal(read_table(str(path)), frame)


def test_standard_input(monkeypatch):
    """A dash is CSV on standard input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("x,y\n1,2\n"))
    assert read_table("-").to_dict("list") == {"x": [1], "y": [2]}


def test_dataset_keeps_its_categories():
    """A shipped data set is that of mixcheck.datasets.load."""
    pd.testing.assert_frame_equal(read_table("dataset:cbpp"), mc.datasets.load("cbpp"))


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Files that are not what their ending says, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n1,2,3,4\n")
    (tmp_path / "binary.csv").write_bytes(bytes(np.arange(128, 256, dtype=np.uint8)))
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.csv"], "there is no file 'none.csv'"),
        (["empty.csv"], "empty.csv cannot be read as csv"),
        (["ragged.csv"], "--sep ';'"),
        (["binary.csv"], "binary.csv cannot be read as csv"),
        (["text.parquet"], "text.parquet cannot be read as parquet"),
        (["table.xlsx"], "a file ends in .csv, .tsv, .parquet, .feather"),
        (["cbpp"], "write dataset:cbpp"),
        (["dataset:cbbp"], "Did you mean 'cbpp'"),
        (["dataset:cbpp", "--formula", "incidence ~ perio + (1 | herd)"], "perio"),
        (["dataset:cbpp", "--formula", "incidence ~ period + (1 | herd"], "add `)`"),
        (["dataset:cbpp", "--family", "poison"], "Write family='poisson'"),
        (["dataset:cbpp", "--link", "logit"], "no logit link"),
        (["dataset:cbpp", "--weights", "w"], "`w`"),
        (["dataset:cbpp", "--alpha", "5"], "alpha must be a number between 0 and 1"),
        (["dataset:cbpp", "--seed", "-1"], "seed must be a non-negative integer"),
        (["dataset:cbpp", "--report", "no/such/r.html"], "--report: there is no folder"),
    ],
)
def test_what_cannot_run(broken, capsys, words, said):
    """A wrong call ends with 2 and a message on standard error, without a traceback."""
    defaults = ["--formula", "incidence ~ period + (1 | herd)", "--family", "poisson"]
    assert _check(words[0], *defaults, *words[1:]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("mixcheck: ")
    assert said in err
    assert "Traceback" not in err
    assert out == ""


@pytest.mark.parametrize("words", [[], ["chek"], ["check"], ["compare", "x", "--criterion", "dic"]])
def test_usage(words, capsys):
    """Wrong words of the command end with 2, a sentence, an example, and where options are."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    said, example, written, more = capsys.readouterr().err.splitlines()
    assert said.startswith("mixcheck: ")
    assert example == "example:"
    assert written.startswith("  mixcheck ")
    assert more.startswith("all options: mixcheck ")


SEASONS = ["--formula", "incidence / size ~ period + (1 | herd)"]
CONSTANT = ["--formula", "incidence / size ~ 1 + (1 | herd)"]
BINOMIAL = ["--family", "binomial"]


def test_compare(tmp_path, capsys):
    """Several formulas are ranked; the files hold the table that the library makes."""
    page, table = tmp_path / "t.html", tmp_path / "t.json"
    words = ["compare", "dataset:cbpp", *CONSTANT, *SEASONS, *BINOMIAL, "--criterion", "bic"]
    assert main([*words, "--report", str(page), "--json", str(table)]) == 0
    assert "model 2 has the lowest BIC; the next is model 1" in capsys.readouterr().out
    data = mc.datasets.load("cbpp")
    formulas = (CONSTANT[1], SEASONS[1])
    models = [mc.glmm(formula, data, family="binomial") for formula in formulas]
    expected = mc.compare(models, criterion="bic")
    assert table.read_text(encoding="utf-8") == expected.to_json()
    assert page.read_text(encoding="utf-8") == expected.to_html()


def test_compare_links_of_one_formula(capsys):
    """One formula with several families fits one model for each."""
    words = ["compare", "dataset:cbpp", "--formula", "incidence ~ period + (1 | herd)"]
    assert main([*words, "--family", "poisson", "--family", "gaussian"]) == 0
    out = capsys.readouterr().out
    assert "poisson (log)" in out
    assert "gaussian (identity)" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*CONSTANT, *BINOMIAL], "at least two models"),
        ([*CONSTANT, *SEASONS, *BINOMIAL * 3], "2 formulas and 3 families"),
        (
            [*CONSTANT, "--formula", "size ~ 1 + (1 | herd)", *BINOMIAL, "--family", "poisson"],
            "resp",
        ),
    ],
)
def test_compare_what_cannot_be(words, said, capsys):
    """One model, unequal numbers, or other responses end with 2 and the reason."""
    assert main(["compare", "dataset:cbpp", *words]) == 2
    assert said in capsys.readouterr().err


def test_kfold(tmp_path, capsys):
    """Folds of the command are those of the function, and its files hold their rows."""
    names = {form: tmp_path / f"folds.{form}" for form in ("json", "jsonl", "csv")}
    files = [word for form, path in names.items() for word in (f"--{form}", str(path))]
    words = ["kfold", *CBPP, "--folds", "5", "--group", "herd", "--seed", "3", "--crps", *files]
    assert main(words) == 0
    data = mc.datasets.load("cbpp")
    fit = mc.glmm(CBPP[2], data, family="binomial")
    expected = mc.kfold(fit, 5, group="herd", seed=3, crps=True)
    assert str(expected) in capsys.readouterr().out
    rows = [json.loads(line) for line in names["jsonl"].read_text().splitlines()]
    assert [row["score"] for row in rows] == expected.scores.tolist()
    pd.testing.assert_frame_equal(
        pd.read_csv(names["csv"]), expected.to_frame().reset_index(drop=True)
    )
    means = {row["score"]: row["mean"] for row in json.loads(names["json"].read_text())["scores"]}
    assert means == expected.means.to_dict()
    assert main(["kfold", *CBPP, "--folds", "1"]) == 2
    assert main(["kfold", *CBPP, "--jobs", "0"]) == 2


GROWTH = ["dataset:Orthodont", "--family", "gaussian", "--formula"]


def test_average(tmp_path, capsys):
    """Averages of coefficients, and of predictions of another table, are those of the library."""
    right = ("age * Sex", "age")
    formulas = [f"distance ~ {part} + (1 | Subject)" for part in right]
    lines, new = tmp_path / "a.csv", tmp_path / "new.csv"
    words = ["average", *GROWTH, formulas[0], "--formula", formulas[1], "--criterion", "aicc"]
    assert main([*words, "--kind", "conditional", "--level", "0.9", "--csv", str(lines)]) == 0
    data = mc.datasets.load("Orthodont")
    fits = {f"model {k}": mc.glmm(f, data) for k, f in enumerate(formulas, 1)}
    averaged = mc.average(fits, criterion="aicc")
    assert str(averaged) in capsys.readouterr().out
    found = pd.read_csv(lines, index_col="coefficient")
    pd.testing.assert_frame_equal(
        found, averaged.coefficients("conditional", level=0.9), check_names=False
    )
    table = pd.DataFrame({"age": [8.0, 14.0], "Sex": ["Male", "Female"]})
    table.to_csv(new, index=False)
    zero = ["--random-effects", "zero"]
    more = [*zero, "--interval", "confidence", "--csv", str(lines)]
    assert main([*words, "--new", str(new), *more]) == 0
    expected = averaged.predict(table, random_effects="zero", interval="confidence")
    pd.testing.assert_frame_equal(pd.read_csv(lines, index_col="row"), expected, check_names=False)
    capsys.readouterr()
    assert main([*words, *zero]) == 2
    assert "write --new with a table" in capsys.readouterr().err
    assert main([*words, "--new", str(new), "--kind", "full"]) == 2
    assert "leave it or --new out" in capsys.readouterr().err


def test_inclusion(tmp_path, capsys):
    """A search and its repetitions are those of the library."""
    lines, formula = tmp_path / "i.csv", "distance ~ age * Sex + (1 | Subject)"
    words = ["inclusion", *GROWTH, formula, "--no-random", "--criterion", "bic", "--seed", "2"]
    assert main([*words, "--draws", "20", "--csv", str(lines)]) == 0
    data = mc.datasets.load("Orthodont")
    chosen = mc.select(formula, data, random=False, criterion="bic")
    expected = mc.inclusion(chosen, criterion="bic", draws=20, seed=2)
    assert str(expected) in capsys.readouterr().out
    pd.testing.assert_frame_equal(pd.read_csv(lines), expected.to_frame())


def test_exact_lrt(tmp_path, capsys):
    """The test of one variance is that of the library; it takes two formulas."""
    path, smaller = tmp_path / "t.json", "Reaction ~ Days"
    words = ["exact-lrt", "dataset:sleepstudy", "--formula", smaller]
    larger = f"{smaller} + (1 | Subject)"
    more = ["--formula", larger, "--reml", "--draws", "500", "--seed", "4", "--json", str(path)]
    assert main([*words, *more]) == 0
    data = mc.datasets.load("sleepstudy")
    fits = [mc.glmm(formula, data, reml=True) for formula in (smaller, larger)]
    expected = mc.exact_lrt(*fits, draws=500, seed=4)
    assert str(expected) in capsys.readouterr().out
    (row,) = json.loads(path.read_text())["test"]
    assert (row["statistic"], row["pvalue"]) == (expected.statistic, expected.pvalue)
    assert main(words) == 2
    assert "compares two models and was given 1" in capsys.readouterr().err


def test_one_file_may_go_to_standard_output(capsys):
    """A dash is standard output, which then holds the file alone; sentences go to the other."""
    assert _check(*CBPP, *FEW, "--json", "-") == 0
    out, err = capsys.readouterr()
    assert mc.Report.from_json(out).ok
    assert "None of 11 checks contradicts the model" in err
    assert main(["compare", "dataset:cbpp", *CONSTANT, *SEASONS, *BINOMIAL, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["criterion"] == "aic"
    assert _check(*CBPP, *FEW, "--json", "-", "--junit", "-") == 2
    assert "--json and --junit would all go to standard output" in capsys.readouterr().err


@pytest.mark.parametrize("number", [("--draws", "0"), ("--refits", "-1"), ("--jobs", "0")])
def test_wrong_numbers_cost_no_fit(monkeypatch, capsys, number):
    """Numbers are looked at before the data are."""
    monkeypatch.setattr("mixcheck.command.verbs.check.table_of", None)
    assert _check(*CBPP, *number) == 2
    assert "must be a whole number" in capsys.readouterr().err


RAISED = [
    (ValueError("two\nlines"), 2, "an unexpected ValueError in test_command.py, line "),
    (SystemExit(0), 2, "an unexpected SystemExit"),
    (SystemExit(1), 2, "an unexpected SystemExit"),
    (MemoryError(), 2, "the memory was used up"),
    (RecursionError("deep"), 2, "an unexpected RecursionError"),
    (AssertionError("wrong"), 2, "an unexpected AssertionError"),
    (mc.DataError("no \x1b[31mred"), 2, "no \\x1b[31mred"),
    (KeyboardInterrupt(), 130, "interrupted"),
]


@pytest.mark.parametrize(("error", "code", "said"), RAISED)
def test_no_exception_reads_as_a_verdict(monkeypatch, capsys, error, code, said):
    """Whatever is raised ends with 2, an interrupt with 130, and one line says what it was."""

    def raise_it(source):
        raise error

    monkeypatch.setattr("mixcheck.command.verbs.check.table_of", raise_it)
    assert _check(*CBPP) == code
    out, err = capsys.readouterr()
    assert err.startswith("mixcheck: ")
    assert said in err
    assert err.count("\n") == 1
    assert out == ""


def _process(*words: str, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mixcheck", *words],
        text=True,
        stderr=subprocess.PIPE,
        **{"stdout": subprocess.PIPE, **options},
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes and signals are those of POSIX")
def test_a_reader_that_leaves(tmp_path):
    """Where nobody reads standard output, the files are written and the verdict is the code."""
    path = tmp_path / "r.json"
    reading, writing = os.pipe()
    os.close(reading)
    process = _process("check", *CBPP, *FEW, "--json", str(path), stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert mc.Report.from_json(path).ok


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
def test_standard_output_on_a_full_disk(tmp_path):
    """What cannot be printed is an error of the command; the files asked for are written."""
    path = tmp_path / "r.json"
    with open("/dev/full", "w", encoding="utf-8") as full:
        process = _process("check", *CBPP, *FEW, "--json", str(path), stdout=full)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert err == "mixcheck: standard output cannot be written: No space left on device\n"
    assert mc.Report.from_json(path).ok


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_an_interrupted_process():
    """Ctrl-C ends with 130 and one line, without a traceback."""
    process = _process("check", *CBPP, "--draws", "1000000", "--progress")
    assert process.stderr is not None
    process.stderr.read(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.endswith("mixcheck: interrupted; nothing is decided\n")
    assert "Traceback" not in err


def test_one_lost_file_does_not_lose_the_others(tmp_path, monkeypatch, capsys):
    """A file that cannot be written is named at the end; the others and the text are there."""
    lost, kept = tmp_path / "r.html", tmp_path / "r.json"
    lost.write_text("OLD", encoding="utf-8")

    def fail(self, path):
        raise mc.OutputError(f"{path} cannot be written: no space left")

    monkeypatch.setattr(mc.Report, "to_html", fail)
    assert _check(*CBPP, *FEW, "--report", str(lost), "--json", str(kept)) == 2
    out, err = capsys.readouterr()
    assert err == f"mixcheck: --report: {lost} cannot be written: no space left\n"
    assert "None of 11 checks" in out
    assert f"Wrote {kept}" in out
    assert str(lost) not in out
    assert lost.read_text(encoding="utf-8") == "OLD"


@pytest.mark.slow
def test_as_a_process():
    """``python -m mixcheck`` passes its exit code on; help comes without a model being made."""
    found = subprocess.run(
        [sys.executable, "-m", "mixcheck", "check", "none.csv", *TICKS[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == "mixcheck: there is no file 'none.csv'\n"


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("errors", [">&-", ">/dev/full"])
def test_standard_error_that_takes_nothing(errors):
    """What cannot be said changes no exit code: 2 without data, 3 where nothing is decided."""
    program = f"{sys.executable} -m mixcheck check"
    words = "--family poisson --formula 'TICKS ~ YEAR + (1 | BROOD)' --draws 5 --progress"
    for data, code in (("nothing.csv", 2), ("dataset:grouseticks", 3)):
        line = f"{program} {data} {words} >/dev/null 2{errors}"
        assert subprocess.run(["/bin/sh", "-c", line], check=False, timeout=60).returncode == code


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="closes a stream by the shell")
def test_standard_output_that_is_closed():
    """A report that nobody can read is told in one line, and no verdict."""
    words = "--family binomial --formula 'incidence / size ~ (1 | herd)' --draws 5"
    line = f"{sys.executable} -m mixcheck check dataset:cbpp {words} >&-"
    run = subprocess.run(["/bin/sh", "-c", line], stderr=subprocess.PIPE, text=True, timeout=60)
    assert run.returncode == 2
    assert run.stderr == "mixcheck: standard output is closed\n"


def test_no_file_is_overwritten_by_another(tmp_path, capsys):
    """The data, and the other files of one call, are never the file of an option."""
    data = tmp_path / "ticks.csv"
    mc.datasets.load("grouseticks").to_csv(data, index=False)
    before = data.read_bytes()
    link = tmp_path / "link.html"
    link.symlink_to(data)
    for option in (["--report", str(data)], ["--json", str(link)]):
        assert _check(str(data), *TICKS[1:], *FEW, *option) == 2
        assert "is the file of the data too; give another file" in capsys.readouterr().err
    both = ["--json", str(tmp_path / "r"), "--junit", str(tmp_path / "." / "r")]
    assert _check(*TICKS, *FEW, *both) == 2
    assert "is the file of --json too" in capsys.readouterr().err
    assert data.read_bytes() == before
    assert not (tmp_path / "r").exists()


def test_suite_and_policy_of_files(tmp_path, capsys):
    """Files say which checks are asked and how they are judged; the exit code is the verdict."""
    suite, policy = tmp_path / "suite.toml", tmp_path / "policy.json"
    suite.write_text('[[checks]]\nkind = "dispersion"\n[[checks]]\nkind = "convergence"\n')
    assert _check(*TICKS, *FEW, "--suite", str(suite)) == 1
    out = capsys.readouterr().out
    assert "FAIL  dispersion" in out
    assert "uniformity" not in out
    policy.write_text('{"waive": {"dispersion": "known"}}')
    assert _check(*TICKS, *FEW, "--suite", str(suite), "--policy", str(policy)) == 0
    assert "known" in capsys.readouterr().out


def test_what_is_wrong_in_files_of_options(tmp_path, capsys):
    """A file that is missing, wrong, said twice or about to be overwritten ends with 2."""
    suite, policy = tmp_path / "suite.json", tmp_path / "policy.json"
    suite.write_text('{"checks": [{"kind": "zeross"}]}')
    policy.write_text("{}")
    for words, message in (
        (["--suite", str(suite)], "no check is of kind 'zeross'"),
        (["--suite", str(tmp_path / "none.json")], "none.json': it cannot be read"),
        (["--policy", str(suite)], "a policy has no 'checks'"),
        (["--policy", str(policy), "--alpha", "0.01"], "--alpha is part of a policy"),
        (["--policy", str(policy), "--json", str(policy)], "is the file of --policy too"),
    ):
        assert _check(*CBPP, *FEW, *words) == 2
        assert message in capsys.readouterr().err
    assert policy.read_text() == "{}"


# Keywords that no words can say, and where their place is taken by another option.
NOT_IN_WORDS = {
    "priors": "objects",
    "context": "objects",
    "subset": "a function",
    "suite": "--suite FILE",
    "policy": "--policy FILE",
    "progress": "--progress",
    "model": "the model that is fitted",
    "families": "--family, several times",
}


@pytest.mark.parametrize(
    ("verb", "functions"),
    [
        ("fit", [mc.glmm]),
        ("check", [mc.glmm, mc.check]),
        ("suggest", [mc.glmm, mc.check, mc.suggest]),
        ("compare", [mc.glmm, mc.compare]),
        ("select", [mc.select]),
        ("inclusion", [mc.inclusion]),
        ("average", [mc.glmm, mc.average, mc.comparison.model_average.ModelAverage.coefficients]),
        ("kfold", [mc.glmm, mc.kfold]),
        ("exact-lrt", [mc.exact_lrt]),
    ],
)
def test_every_keyword_is_an_option(verb, functions):
    """The command cannot fall behind: a keyword is an option, or named above with the reason."""
    (parser,) = (a.choices[verb] for a in make_parser([verb])._actions if a.choices)
    held = {action.dest for action in parser._actions}
    renamed = {"n_jobs": "jobs", "data": "data"}
    for function in functions:
        others = {"draws": "importance_draws", "seed": "importance_seed", "weights": "weighting"}
        for name, one in inspect.signature(function).parameters.items():
            if one.kind is not one.KEYWORD_ONLY or name in NOT_IN_WORDS:
                continue
            names = {renamed.get(name, name), others.get(name, name)}
            assert names & held, f"{verb} has no --{name}"


def test_every_option_has_words():
    """Help comes from the docstrings, whole, for all that is generated."""
    for verb in VERBS:
        if verb in ("explain", "demo"):
            continue
        (parser,) = (a.choices[verb] for a in make_parser([verb])._actions if a.choices)
        for action in parser._actions:
            if action.help != argparse.SUPPRESS:
                assert action.help, f"{verb} {action.option_strings}"
                assert not action.help.startswith("as in")
        assert "example:\n  mixcheck" in parser.format_help()


def test_fit_in_every_format(tmp_path, capsys):
    """Estimates as text, JSON, lines and a table are those of the function."""
    names = {form: tmp_path / f"fit.{form}" for form in ("json", "jsonl", "csv")}
    page = tmp_path / "fit.html"
    files = [word for form, path in names.items() for word in (f"--{form}", str(path))]
    assert main(["fit", *CBPP, *files, "--report", str(page)]) == 0
    assert "log-likelihood  -92.0263" in capsys.readouterr().out
    fit = mc.glmm(
        "incidence / size ~ period + (1 | herd)", mc.datasets.load("cbpp"), family="binomial"
    )
    tidy = fit.tidy()
    stored = json.loads(names["json"].read_text())
    lines = [json.loads(line) for line in names["jsonl"].read_text().splitlines()]
    assert stored["estimates"] == lines
    assert stored["fit"][0]["logLik"] == fit.llf
    assert [row["estimate"] for row in lines] == tidy["estimate"].tolist()
    assert [row["p.value"] for row in lines][-1] is None
    table = pd.read_csv(names["csv"])
    np.testing.assert_allclose(table["std.error"], tidy["std.error"], rtol=1e-15)
    assert "<html" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_parts_and_methods_reach_the_fit(tmp_path):
    """Options that are generated are handed on as they were given."""
    path = tmp_path / "fit.json"
    words = ["fit", *TICKS, "--zi", "~ 1", "--hessian", "expected", "--json", str(path)]
    assert main(words) == 0
    ticks = mc.datasets.load("grouseticks")
    formula = "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)"
    fit = mc.glmm(formula, ticks, family="poisson", zi="~ 1", hessian="expected")
    assert json.loads(path.read_text())["fit"][0]["logLik"] == fit.llf
    assert main([*words[:-2], "--method", "agq", "--nodes", "auto", "--json", str(path)]) == 2


@pytest.mark.slow
def test_select_and_suggest(tmp_path, capsys):
    """A search with its options, and what answers a failing check."""
    path = tmp_path / "models.jsonl"
    words = ["select", "dataset:Orthodont", "--formula", "distance ~ age * Sex + (1 | Subject)"]
    words += ["--family", "gaussian", "--no-random", "--keep", "age", "--criterion", "bic"]
    assert main([*words, "--jsonl", str(path)]) == 0
    assert "has the lowest BIC of 3 models" in capsys.readouterr().out
    assert len(path.read_text().splitlines()) == 3
    asked = tmp_path / "suite.json"
    asked.write_text('{"checks": [{"kind": "dispersion"}]}')
    few = ["--seed", "1", "--draws", "60", "--calibration", "plug-in", "--suite", str(asked)]
    assert main(["suggest", *TICKS, *few, "--most", "3"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  dispersion" in out
    assert "nbinom2" in out


def test_weights_of_models_and_scale(tmp_path):
    """Both are of the comparison; weights of rows are of the fit."""
    path = tmp_path / "table.json"
    words = ["compare", "dataset:sleepstudy", "--formula", "log(Reaction) ~ Days + (1 | Subject)"]
    words += ["--formula", "Reaction ~ Days + (1 | Subject)", "--family", "gaussian"]
    assert main([*words, "--scale", "Reaction", "--json", str(path)]) == 0
    lines = tmp_path / "table.jsonl"
    assert main([*words, "--scale", "Reaction", "--jsonl", str(lines)]) == 0
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert rows[0]["delta"] == 0.0
    assert "index" not in rows[0]
    assert len(json.loads(path.read_text())["models"]) == 2
    assert main([*words[:-2], "--family", "gaussian", "--scale", "Nobody"]) == 2


def test_explain(capsys):
    """All checks in a list; one by its kind or its class; a near name for what is none."""
    assert main(["explain"]) == 0
    listed = capsys.readouterr().out
    assert {"dispersion", "uniformity"} <= {line.split()[0] for line in listed.splitlines()}
    for name in ("trend", "Trend"):
        assert main(["explain", name]) == 0
        assert "Null hypothesis" in capsys.readouterr().out
    assert main(["explain", "dispersoin"]) == 2
    assert "did you mean dispersion?" in capsys.readouterr().err


def test_every_check_that_is_listed_is_explained(capsys):
    """And what is said for a file reads as that check where it needs no argument."""
    main(["explain"])
    for line in capsys.readouterr().out.splitlines():
        name = line.split()[0]
        assert main(["explain", name]) == 0
        told = capsys.readouterr().out.splitlines()[-1].removeprefix("In a file of a suite: ")
        stored = json.loads(told)
        assert stored["kind"] == name
        if len(stored) == 1:
            assert check_from_dict(stored).kind == name


def test_options_of_a_file(tmp_path, capsys):
    """They stand before those of the command, which count; unknown ones are refused."""
    file = tmp_path / "gate.toml"
    file.write_text(
        'formula = "incidence / size ~ period + (1 | herd)"\nfamily = "binomial"\n'
        "seed = 1\ndraws = 40\ncalibration = 'plug-in'\nstrict = false\nprogress = false\n"
    )
    assert main(["check", "dataset:cbpp", "--config", str(file), "--seed", "2"]) in (0, 3)
    assert "Seed: 2" in capsys.readouterr().out
    file.write_text('nobody = "x"\n')
    with pytest.raises(SystemExit) as stopped:
        main(["check", *CBPP, "--config", str(file)])
    assert stopped.value.code == 2
    for content, said in [("x = {a = 1}", "is a text, a number"), ('config = "a"', "no other")]:
        file.write_text(content + "\n")
        assert main(["check", *CBPP, "--config", str(file)]) == 2
        assert said in capsys.readouterr().err
    assert main(["check", *CBPP, f"--config={tmp_path / 'none.toml'}"]) == 2


def test_separators_and_missing_values(tmp_path, capsys):
    """Fields by any mark; rows without a value are left out with a warning, or refused."""
    data = mc.datasets.load("sleepstudy")
    data.loc[3, "Days"] = np.nan
    path = tmp_path / "sleep.csv"
    data.to_csv(path, sep=";", index=False)
    words = ["fit", str(path), "--formula", "Reaction ~ Days + (1 | Subject)"]
    words += ["--family", "gaussian"]
    assert main(words) == 2
    assert "separated by semicolons" in capsys.readouterr().err
    assert main([*words, "--sep", ";"]) == 0
    out, err = capsys.readouterr()
    assert "observations" in out
    assert "1 of 180 rows were left out" in err
    assert main([*words, "--sep", ";", "--no-dropna"]) == 2
    assert "1 of 180 rows have no value" in capsys.readouterr().err
    assert main([*words, "--sep", "ab"]) == 2
    assert "--sep is one mark" in capsys.readouterr().err


def test_decimal_commas_and_words_for_missing_values(tmp_path, capsys):
    """A table of another country is refused, and read as it is when its marks are given."""
    data = mc.datasets.load("sleepstudy")
    data["Days"] += 0.25
    path = tmp_path / "sleep.csv"
    data.to_csv(path, sep=";", decimal=",", index=False)
    path.write_text(path.read_text().replace(";1,25;", ";lost;", 1))
    words = ["fit", str(path), "--formula", "Reaction ~ Days + (1 | Subject)", "--sep", ";"]
    words += ["--family", "gaussian"]
    assert main(words) == 2
    assert "--decimal ','" in capsys.readouterr().err
    assert main([*words, "--decimal", ",", "--missing", "lost"]) == 0
    out, err = capsys.readouterr()
    assert "1 of 180 rows were left out" in err
    table = data.drop(index=1)
    fit = mc.glmm("Reaction ~ Days + (1 | Subject)", table, family="gaussian")
    assert f"{fit.params['Days']:.3f}"[:6] in out
    assert main([*words, "--decimal", ";"]) == 2
    assert "cannot both" in capsys.readouterr().err
    assert main([*words, "--decimal", ",,"]) == 2
    assert "--decimal is one mark" in capsys.readouterr().err
    assert main(["fit", "dataset:cbpp", "--decimal", ",", *CBPP[1:]]) == 2
