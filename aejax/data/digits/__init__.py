"""The embedded data set: scikit-learn's handwritten digits as a TFDS data set, read by the code that reads MNIST."""

VERSION = "1.0.0"  # Here, so that `prepare` need not import the builder, and TFDS with it, to look for the data.
