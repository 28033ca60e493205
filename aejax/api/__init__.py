"""aejax from Python: arrays in, trained models and studies out. The engine is the command's."""
