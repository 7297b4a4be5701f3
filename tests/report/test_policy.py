import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.errors import DataError, OptionError
from mixcheck.report.finding import Effect, Skipped
from mixcheck.report.policy import Policy, Verdict, departure

laws = settings(deadline=None, derandomize=True, max_examples=60)
LARGE = Effect("variance ratio", 2.0, 1.5, 2.5, 1.0)
SMALL = Effect("variance ratio", 1.04, 1.01, 1.07, 1.0)
NULLS = np.arange(99.0)

policies = st.builds(
    Policy,
    alpha=st.floats(0.001, 0.999),
    adjust=st.sampled_from(["min-p", "holm", "none"]),
    negligible=st.dictionaries(st.text(max_size=5), st.floats(1e-6, 1e6), max_size=3),
    waive=st.dictionaries(st.text(max_size=5), st.just("a reason"), max_size=3),
)


def verdict_of(found, **options):
    """The verdict and sentence on one finding alone."""
    judgement = Policy(**options).judge([found])[0]
    return judgement.verdict, judgement.sentence


def test_pass(finding):
    """A large p-value passes, and the sentence shows effect, interval and p."""
    verdict, words = verdict_of(finding(pvalue=0.4, effect=LARGE))
    assert verdict is Verdict.PASS
    assert "variance ratio 2 (95 % interval 1.5 to 2.5; 1 under the model), p = 0.400" in words


def test_fail(finding):
    """A small p-value fails, and is never shown as 0.000."""
    verdict, words = verdict_of(finding(pvalue=1e-9))
    assert verdict is Verdict.FAIL
    assert "p < 0.001, adjusted p < 0.001" in words


def test_warn(finding):
    """A significant effect below the size that matters only warns."""
    small = finding(pvalue=1e-9, effect=SMALL)
    verdict, words = verdict_of(small, negligible={"variance ratio": 0.1})
    assert verdict is Verdict.WARN
    assert "by less than the 0.1 that matters" in words
    assert verdict_of(small, negligible={"variance ratio": 0.03})[0] is Verdict.FAIL
    assert verdict_of(small, negligible={"slope": 0.1})[0] is Verdict.FAIL


def test_former_name_of_the_adjustment():
    """The rule was called max-t: read with a warning in a call, and without one when stored."""
    with pytest.warns(FutureWarning, match="write adjust='min-p'"):
        policy = Policy(adjust="max-t")
    assert policy == Policy(adjust="min-p")
    assert Policy.from_dict({"alpha": 0.05, "adjust": "max-t"}) == policy


@pytest.mark.parametrize("adjust", ["min-p", "holm", "none"])
def test_undecided(finding, adjust):
    """Ten draws cannot fail a check at 5 %, whatever they show."""
    few = finding(replicates=np.arange(10.0), statistic=99.0, floor=1 / 11)
    verdict, words = verdict_of(few, adjust=adjust)
    assert verdict is Verdict.UNDECIDED
    assert "smallest attainable p-value is 0.0909 where 0.05 is needed" in words


def test_undecided_by_its_companions(finding):
    """A floor that suffices alone does not among seven checks under Holm's rule."""
    found = [finding(f"check {row}", pvalue=2 / 256, floor=2 / 256) for row in range(7)]
    assert verdict_of(found[0])[0] is Verdict.FAIL
    verdicts = {judgement.verdict for judgement in Policy(adjust="holm").judge(found)}
    assert verdicts == {Verdict.UNDECIDED}


def test_skipped():
    """A check that does not apply is skipped with its reason as a sentence."""
    judgement = Policy().judge([Skipped("zeros", "zeros", "the response is no count")])[0]
    assert judgement.verdict is Verdict.SKIPPED
    assert judgement.sentence == "The response is no count."
    assert judgement.pvalue is None


def test_waived(finding):
    """A waived failure names its reason; a waiver without need is reported."""
    waive = {"dispersion": "two logger faults."}
    verdict, words = verdict_of(finding(pvalue=1e-9), waive=waive)
    assert verdict is Verdict.WAIVED
    assert "waived (two logger faults)" in words
    verdict, words = verdict_of(finding(pvalue=0.9), waive=waive)
    assert verdict is Verdict.PASS
    assert "no longer needed" in words


def test_exact_facts(finding):
    """A fact without a p-value passes or fails, and takes no part in the adjustment."""
    facts = [
        finding("a", pvalue=None, holds=True),
        finding("b", pvalue=None, holds=False),
        finding("c", pvalue=None, holds=None),
    ]
    tested = finding("d", pvalue=0.03)
    judged = Policy().judge([*facts, tested])
    expected = [Verdict.PASS, Verdict.FAIL, Verdict.UNDECIDED, Verdict.FAIL]
    assert [judgement.verdict for judgement in judged] == expected
    assert judged[3].adjusted_pvalue == 0.03


def test_undefined_pvalue_decides_nothing(finding):
    """A p-value that is not a number is neither a pass nor a failure."""
    assert verdict_of(finding(pvalue=float("nan")))[0] is Verdict.UNDECIDED


def test_impossible_pvalue(finding):
    """A p-value above 1 is refused by the name of its check."""
    with pytest.raises(DataError, match=r"'dispersion' has the p-value 1\.5"):
        Policy().judge([finding(pvalue=1.5)])


def test_shared_replicates_cost_less_than_holm(finding):
    """Two checks that always agree count as one under min-p, as two under Holm."""
    twins = [finding(name, replicates=NULLS, statistic=97.5) for name in ("a", "b")]
    joint = [judgement.adjusted_pvalue for judgement in Policy().judge(twins)]
    holm = [judgement.adjusted_pvalue for judgement in Policy(adjust="holm").judge(twins)]
    assert joint == [0.02, 0.02]
    assert holm == [0.04, 0.04]


def test_a_p_value_near_the_level_says_so(finding):
    """Within two of its standard errors another seed may give the other verdict."""
    near, far = (finding("a", replicates=NULLS, statistic=x) for x in (92.5, 20.5))
    (judgement,) = Policy(adjust="none").judge([near])
    # p = 0.07 of 100 replicates has the error (0.07 * 0.93 / 100)^(1/2).
    assert "standard error of 0.0255, so that another seed may" in judgement.sentence
    assert "draws=699 would settle it" in judgement.sentence
    assert "another seed" not in Policy().judge([far])[0].sentence
    assert "another seed" not in Policy().judge([finding("b", pvalue=0.05)])[0].sentence


def test_finding_without_replicates_says_so(finding):
    """Among findings with replicates, one without them is adjusted by Holm and says so."""
    found = [finding("a", replicates=NULLS, statistic=50.5), finding("b", pvalue=1e-6)]
    joint, alone = Policy().judge(found)
    assert "Holm" not in joint.sentence
    assert "adjusted by Holm's rule" in alone.sentence
    assert alone.adjusted_pvalue == 1e-6


def test_no_adjustment(finding):
    """Under "none" every p-value stands alone."""
    found = [finding(f"check {row}", pvalue=0.04) for row in range(5)]
    judged = Policy(adjust="none").judge(found)
    assert all(judgement.verdict is Verdict.FAIL for judgement in judged)
    assert all(judgement.adjusted_pvalue == 0.04 for judgement in judged)


@laws
@given(policies, st.lists(st.floats(0.0, 1.0), max_size=6))
def test_judging_is_idempotent(policy, pvalues):
    """The same findings under an equal policy get the same judgements."""
    from mixcheck.report.finding import Finding

    found = [
        Finding(f"c{row}", "c", "", 1.0, pvalue, "greater", LARGE, 10)
        for row, pvalue in enumerate(pvalues)
    ]
    assert policy.judge(found) == Policy.from_dict(policy.to_dict()).judge(found)


@laws
@given(policies, policies)
def test_policies_are_values(first, second):
    """Policies compare, hash, copy, pickle and return from a dictionary by their content."""
    assert Policy.from_dict(first.to_dict()) == first
    assert pickle.loads(pickle.dumps(first)) == copy.deepcopy(first) == first
    assert hash(pickle.loads(pickle.dumps(first))) == hash(first)
    assert (first == second) == (first.to_dict() == second.to_dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0}, "alpha must be a number between 0 and 1"),
        ({"alpha": 5}, "found 5"),
        ({"alpha": "5 %"}, "found '5 %'"),
        (
            {"adjust": "bonferroni"},
            "'bonferroni' is unknown; write 'min-p', 'holm' or 'none'",
        ),
        ({"negligible": {"slope": -1}}, r"negligible\['slope'\] must be a positive number"),
        ({"waive": {"zeros": ""}}, r"waive\['zeros'\] must be the reason"),
        ({"waive": ["zeros"]}, "waive must map the name of a check to the reason"),
    ],
)
def test_bad_options(options, message):
    """An option outside its values is refused with what is allowed."""
    with pytest.raises(OptionError, match=message):
        Policy(**options)


def test_unknown_entries():
    """A policy file with a misspelt entry is refused."""
    with pytest.raises(OptionError, match="no 'alhpa'; it has alpha"):
        Policy.from_dict({"alhpa": 0.01})


def test_policy_does_not_follow_its_arguments():
    """Changing the mapping that was passed in changes no policy."""
    waive = {"zeros": "known"}
    policy = Policy(waive=waive)
    waive["trend"] = "added later"
    assert dict(policy.waive) == {"zeros": "known"}
    with pytest.raises(TypeError):
        policy.waive["trend"] = "no"


@pytest.mark.parametrize(
    ("value", "null", "size"),
    [(2.0, 1.0, 1.0), (0.5, 1.0, 1.0), (-1.0, 1.0, np.inf), (-0.2, 0, 0.2)],
)
def test_departure(value, null, size):
    """A ratio departs alike up and down; anything else by its distance."""
    assert departure(Effect("x", value, value, value, null)) == size


def test_idle_entries_are_reported(finding):
    """A waiver or a size that names nothing in the report is said."""
    policy = Policy(waive={"zeross": "typo"}, negligible={"slop": 1.0})
    waiver, size = policy.idle([finding()])
    assert "'zeross', which is no check" in waiver
    assert "'slop', which is no effect" in size


def test_fifty_findings_are_quick(finding):
    """Fifty findings with 999 replicates are judged at once and correlated ones not penalised."""
    rng = np.random.default_rng(3)
    common = rng.normal(size=999)
    found = [
        finding(f"check {row}", replicates=common + 0.01 * rng.normal(size=999), statistic=2.6)
        for row in range(50)
    ]
    judged = Policy().judge(found)
    assert {judgement.verdict for judgement in judged} == {Verdict.FAIL}


POLICIES = {
    "p.json": '{"alpha": 0.01, "negligible": {"variance ratio": 0.1}, "waive": {"zeros": "known"}}',
    "p.toml": 'alpha = 0.01\n[negligible]\n"variance ratio" = 0.1\n[waive]\nzeros = "known"\n',
    "p.yaml": "alpha: 0.01\nnegligible: {variance ratio: 0.1}\nwaive:\n  zeros: known\n",
}


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_of_a_file(tmp_path, name):
    """The same policy is read from each notation."""
    (tmp_path / name).write_text(POLICIES[name], encoding="utf-8")
    expected = Policy(alpha=0.01, negligible={"variance ratio": 0.1}, waive={"zeros": "known"})
    assert Policy.from_file(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alpha = 5", "alpha must be a number between 0 and 1"),
        ("alpha = nan", "alpha must be"),
        ("alpha = true", "alpha must be"),
        ("alpha = 2020-01-01", "alpha must be"),
        ("level = 0.05", "a policy has no 'level'; it has alpha, adjust, negligible and waive"),
        ("adjust = 'all'", "adjust='all' is unknown; write 'min-p', 'holm' or 'none'"),
        ("negligible = 0.1", "negligible must map the name of an effect to a size"),
        ("waive = ['zeros']", "waive must map the name of a check to the reason"),
    ],
)
def test_what_is_no_policy_in_a_file(tmp_path, text, message):
    """One sentence names the file, what is wrong in it, and what is allowed."""
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=message) as caught:
        Policy.from_file(tmp_path / "p.toml")
    assert str(caught.value).count("p.toml") == 1
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_the_default(tmp_path):
    """What a file leaves out takes its default."""
    (tmp_path / "p.toml").write_text("", encoding="utf-8")
    assert Policy.from_file(tmp_path / "p.toml") == Policy()
