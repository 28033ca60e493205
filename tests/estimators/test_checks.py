"""scikit-learn's checks: all of them in processes of their own, and here those that fit little or nothing."""

import subprocess
import sys

import pytest
from sklearn.utils import estimator_checks

from tests.estimators.checks import ESTIMATORS

# Without a fit, or with one or two.
QUICK = (
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_estimators_unfitted",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_mixin_order",
    "check_complex_data",
    "check_estimators_empty_data_messages",
    "check_estimator_sparse_tag",
    "check_estimator_sparse_array",
    "check_transformers_unfitted",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_fit1d",
    "check_requires_y_none",
    "check_classifiers_one_label",
    "check_classifiers_regression_target",
    "check_supervised_y_no_nan",
)
# A search warns of infinite labels, as GridSearchCV does, and here warnings are errors.
ALONE = [name for name in ESTIMATORS if "," not in name and name != "PopulationSearchCV"]


def quick_checks():
    for name in ALONE:
        for _, check in estimator_checks.estimator_checks_generator(ESTIMATORS[name]()):
            title = estimator_checks._check_name(check)
            if title in QUICK:
                yield pytest.param(ESTIMATORS[name], check, id=f"{name}-{title}")


@pytest.mark.parametrize(("make", "check"), list(quick_checks()))
def test_a_quick_check_passes(make, check):
    check(make())


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_every_check_passes_and_none_is_skipped(name):
    done = subprocess.run(
        [sys.executable, "-m", "tests.estimators.checks", name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert len(lines) > 50
    assert [line for line in lines if not line.startswith("passed ")] == []
