"""Terms of losses: per example, in nats, without reduction over the batch."""
