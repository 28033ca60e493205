"""scikit-learn's own checks of estimators, on small networks; `python -m tests.estimators.checks NAME` runs all.

They are in a process of their own because one of them asks for an environment variable before SciPy is imported.
"""

import os
import sys

os.environ.setdefault("SCIPY_ARRAY_API", "1")

import sklearn.utils.estimator_checks

import aejax

SMALL = {"epochs": 2, "fields": {"autoencoder.encoder.widths": (8,)}}
ESTIMATORS = {
    "AutoencoderFeatures": lambda: aejax.AutoencoderFeatures(latent_size=2, **SMALL),
    "AutoencoderClassifier": lambda: aejax.AutoencoderClassifier(latent_size=4, **SMALL),
    "AutoencoderClassifier, fine-tuned": lambda: aejax.AutoencoderClassifier(
        latent_size=4, fine_tuning_epochs=20, learning_rate=0.03, **SMALL
    ),
    "AutoencoderDetector": lambda: aejax.AutoencoderDetector(latent_size=1, **SMALL),
    # The checks give an estimator a seed, but not the one inside it.
    "PopulationSearchCV": lambda: aejax.PopulationSearchCV(
        aejax.AutoencoderClassifier(latent_size=4, random_state=0, **SMALL), {"learning_rate": [0.001, 0.01]}, cv=2
    ),
}


def main(name):
    """Prints a line for each check; one that fails is raised."""
    results = sklearn.utils.estimator_checks.check_estimator(ESTIMATORS[name](), on_skip=None, on_fail="raise")
    for result in results:
        print(result["status"], result["check_name"], result["exception"] or "")


if __name__ == "__main__":
    main(sys.argv[1])
