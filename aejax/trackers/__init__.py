"""Where the curves of a study are shown while it trains: TensorBoard, Weights & Biases, MLflow, or a user's own."""
