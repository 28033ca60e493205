"""Images: loading and splitting them, preprocessing, batches."""
