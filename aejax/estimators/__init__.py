"""Autoencoders as estimators of scikit-learn: features, a classifier, a detector of outliers."""
