"""A detector of outliers by an autoencoder's error, or its own score, as an estimator of scikit-learn."""

from typing import Any

import numpy as np
from sklearn.base import OutlierMixin

from aejax.errors import ConfigError
from aejax.estimators.base import AutoencoderEstimator, TrainingRows
from aejax.trained.model import Trained
from aejax.trained.scores import default_score


class AutoencoderDetector(OutlierMixin, AutoencoderEstimator):
    """A detector of outliers: rows or images that an autoencoder, trained on mostly normal ones, reconstructs badly.

        AutoencoderDetector(contamination=0.01).fit(rows).predict(others)    # 1: normal, -1: outlier

    The threshold is a quantile of the scores of the rows that it was trained on: so many of these are below it. As the
    autoencoder knows them, somewhat more of other normal rows are. Of a family that reconstructs nothing, such as
    deep_svdd, the score is its own.

    Args:
      config: see `AutoencoderFeatures`, also the following ones.
      latent_size: how many numbers the autoencoder has for a row.
      epochs: of the autoencoder.
      batch_size: rows in a step, at most all.
      learning_rate: of the optimizer.
      image_shape: of rows that are pixels.
      fields: other fields of the config by their path.
      random_state: of the initialisation, the batches and the noise.
      contamination: the share of the training rows that are called outliers, in (0, 0.5].

    Attributes:
      offset_: the threshold, the quantile `contamination` of the training scores.
      model_, curves_, data_min_, data_max_, n_features_in_, feature_names_in_, input_shape_: see `AutoencoderFeatures`.
    """

    def __init__(
        self,
        config: Any = None,
        *,
        latent_size: int | None = None,
        epochs: int | None = None,
        batch_size: int | str | None = None,
        learning_rate: float | None = None,
        image_shape: tuple[int, ...] | None = None,
        fields: Any = None,
        random_state: Any = None,
        contamination: float = 0.1,
    ):
        super().__init__(
            config,
            latent_size=latent_size,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            image_shape=image_shape,
            fields=fields,
            random_state=random_state,
        )
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> "AutoencoderDetector":
        """Trains the autoencoder on rows or images, and finds the threshold; labels are not read.

        Raises:
          ConfigError: if `contamination` is no share in (0, 0.5].
        """
        share = self.contamination
        if isinstance(share, bool) or not isinstance(share, int | float | np.number) or not 0 < share <= 0.5:
            raise ConfigError(f"contamination={share!r} should be a share of the rows, above 0 and at most 0.5")
        self._train(self._prepare(X))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Returns minus the mean squared error of each reconstruction, float64 [n]: the lower, the more of an outlier.

        It is on the scale of [0, 1]; values beyond those of training count in full. Of a family that reconstructs
        nothing it is minus its own score.
        """
        return self._score(self._images(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Returns the scores less the threshold, float64 [n]: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Returns 1 for normal rows or images and -1 for outliers, [n]."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _adopt(self, trained: Trained, prepared: TrainingRows) -> None:
        super()._adopt(trained, prepared)
        self.offset_ = float(np.quantile(self._score(prepared.image), self.contamination))

    def _score(self, image: np.ndarray) -> np.ndarray:
        return -self._map(default_score(self.model_), image).astype(np.float64)
