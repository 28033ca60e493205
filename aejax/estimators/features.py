"""Features of an autoencoder, as a transformer of scikit-learn."""

from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted

from aejax.autoencoders.base import Autoencoder
from aejax.errors import DataError, UserError
from aejax.estimators.base import AutoencoderEstimator, feature_size, features
from aejax.trained.scores import default_score


class AutoencoderFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, AutoencoderEstimator):
    """Features of an autoencoder that is trained without labels: a transformer, as PCA is one.

        make_pipeline(AutoencoderFeatures(), LogisticRegression()).fit(rows, labels)

    Rows [n, features] are scaled to [0, 1] feature by feature, by the smallest and the largest value in training.
    Images [n, height, width] or [n, height, width, channels] are scaled as a whole: uint8 from 0 to 255, and floats in
    [0, 1], stay as they are. The networks are dense for rows, and convolutional for images.

    Args:
      config: what to train: a family (`aejax.VaeConfig()`), its kind as text ("vae"), or a whole `aejax.Config`, whose
        `evaluation`, `generation` and `data.name` are not read. None: a denoising autoencoder with 16 features.
      latent_size: how many features there are. None: that of `config`.
      epochs: how often training sees each row. None: those of a whole config, else 200.
      batch_size: rows in a step, at most all. None: that of the config, 64.
      learning_rate: of the optimizer. None: that of the config, 0.001.
      image_shape: (height, width) or (height, width, channels) of rows that are pixels. None: rows are no images.
      fields: other fields of the config by their path, {"optimizer.learning_rate": 1e-3}; a grid names one by
        `fields__optimizer__learning_rate`.
      random_state: of the initialisation, the batches and the noise. None: that of numpy, or the seed of a whole
        config.

    Attributes:
      model_: the trained autoencoder, an `aejax.Trained`.
      curves_: the losses of each epoch by name.
      data_min_, data_max_: which values are 0 and 1 for the model, [features], or [1] of images.
      n_features_in_, feature_names_in_: as of every transformer.
      input_shape_: the shape of a row or an image in training.
    """

    def fit(self, X: Any, y: Any = None) -> "AutoencoderFeatures":
        """Trains the autoencoder on rows or images; labels are not read."""
        self._train(self._prepare(X))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Returns the features of rows or images, float32 [n, size]: those that a study's classifiers are given."""
        return self._map(features, self._images(X))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Returns the rows or images that the decoder makes of features, on the scale of those in training, float32.

        Raises:
          UserError: if the family's features are not its latents, so that there is nothing to decode.
        """
        check_is_fitted(self)
        if type(self.model_.model).features is not Autoencoder.features:
            kind = self.model_.config.autoencoder.kind
            raise UserError(f"the features of '{kind}' are not the latents that its decoder takes; use another family")
        latents = check_array(X, dtype=np.float32)
        if latents.shape[1] != self.model_.latent_size:
            raise DataError(f"there are {latents.shape[1]} features; the decoder takes {self.model_.latent_size}")
        return self._scaling.to_rows(self.model_.decode(latents)).reshape(len(latents), *self.input_shape_)

    def score(self, X: Any, y: Any = None) -> float:
        """Returns minus the mean squared error of the reconstruction, on the scale of [0, 1]: higher is better.

        Of a family that reconstructs nothing it is minus the mean of its own score of strangeness.
        """
        return -float(np.mean(self._map(default_score(self.model_), self._images(X)), dtype=np.float64))

    @property
    def _n_features_out(self) -> int:
        return feature_size(self.model_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
