"""The faults that `python -m tests.mutation` puts into a copy of the project, one after another."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """A fault to try: in a file below aejax/ one text is replaced by another; `tests` are pytest's arguments."""

    name: str
    file: str
    old: str
    new: str
    tests: str


MUTATIONS = (
    # Losses.
    Mutation(
        "half squared error: no half",
        "objectives/likelihoods.py",
        "return 0.5 * _sum_over_pixels(jnp.square(self.mean(output) - target))",
        "return _sum_over_pixels(jnp.square(self.mean(output) - target))",
        "tests/objectives/test_likelihoods.py",
    ),
    Mutation(
        "Gaussian likelihood: no constant",
        "objectives/likelihoods.py",
        "constant = log_scale + 0.5 * math.log(2 * math.pi)",
        "constant = log_scale",
        "tests/objectives/test_likelihoods.py",
    ),
    Mutation(
        "KL of a Gaussian: half the logarithm of the variance",
        "objectives/divergences.py",
        "jnp.exp(log_variance) - 1 - log_variance)",
        "jnp.exp(log_variance) - 1 - 0.5 * log_variance)",
        "tests/objectives/test_divergences.py",
    ),
    Mutation(
        "contraction: slopes not squared",
        "objectives/penalties.py",
        "jnp.square(slope) @ squared_columns",
        "jnp.abs(slope) @ squared_columns",
        "tests/objectives/test_penalties.py",
    ),
    Mutation(
        "VQ: commitment without its weight",
        "autoencoders/vq_vae.py",
        "self.config.commitment * jnp.sum(quantized.commitment, axis=1)",
        "jnp.sum(quantized.commitment, axis=1)",
        "tests/autoencoders/test_quantized.py -k terms_are_those_of_the_paper",
    ),
    Mutation(
        "VQ: the commitment teaches the codebook too",
        "networks/quantizers.py",
        "terms.append((squared_distance(rest, fixed),",
        "terms.append((squared_distance(rest, chosen),",
        "tests/autoencoders/test_quantized.py -k terms_are_those_of_the_paper",
    ),
    Mutation(
        "importance weights: their sum for their mean",
        "evaluation/likelihood.py",
        "return math.log(num) - weights, logarithms / num",
        "return -weights, logarithms / num",
        "tests/evaluation/test_likelihood.py",
    ),
    Mutation(
        "MIWAE: as many draws as bounds, and the other way around",
        "autoencoders/iwae.py",
        "log_weight.reshape(config.num_bounds, config.num_samples, -1)",
        "log_weight.reshape(config.num_samples, config.num_bounds, -1)",
        "tests/autoencoders/test_bounds.py",
    ),
    Mutation(
        "PIWAE: the prior learns by the encoder's bound",
        "autoencoders/iwae.py",
        '{"prior": self.prior.LEARNED, ',
        '{"prior": False, ',
        "tests/autoencoders/test_bounds.py",
    ),
    Mutation(
        "MS-SSIM: luminance at every scale",
        "objectives/similarity.py",
        "luminance * structure if is_coarsest else structure",
        "luminance * structure",
        "tests/objectives/test_similarity.py",
    ),
    Mutation(
        "sliced distance: nothing is sorted",
        "objectives/divergences.py",
        "jnp.sort(jnp.matmul(side, direction, precision=jax.lax.Precision.HIGHEST), axis=0)",
        "jnp.matmul(side, direction, precision=jax.lax.Precision.HIGHEST)",
        "tests/objectives/test_divergences.py",
    ),
    Mutation(
        "denoising: corrupted outside training too",
        "autoencoders/corrupted.py",
        'corruption.corrupt(self.make_rng("noise"), x) if train and corruption is not None else x',
        "corruption.corrupt(jax.random.key(0), x) if corruption is not None else x",
        "tests/autoencoders/test_noise_and_ties.py",
    ),
    # Data.
    Mutation(
        "split: test images are trained on",
        "data/load.py",
        "return take(train[: config.train_size]), take(validation), take(test)",
        "return take(order[: config.train_size]), take(validation), take(test)",
        "tests/data/test_load.py",
    ),
    Mutation(
        "preprocessing: fitted to test images",
        "data/resident.py",
        "return _resident(dataset, preprocessing.fit(kind, dataset.train.image))",
        "return _resident(dataset, preprocessing.fit(kind, dataset.test.image))",
        "tests/data/test_preprocessing.py",
    ),
    Mutation(
        "few labels: validated on the images that are trained on",
        "data/subsets.py",
        '"validation": indices[:, self.per_class :]',
        '"validation": indices[:, : self.per_class]',
        "tests/training/test_fine_tuning.py -k few_labels",
    ),
    Mutation(
        "batches: the same in every epoch",
        "data/batches.py",
        'rng.at(rng.stream(rng.root(seed), "batches"), epoch)',
        'rng.at(rng.stream(rng.root(seed), "batches"), 0)',
        "tests/training/test_step.py",
    ),
    # Training.
    Mutation(
        "optimizer: uphill",
        "training/optimizers.py",
        "return -config.learning_rate * config.schedule",
        "return config.learning_rate * config.schedule",
        "tests/training/test_optimizers.py",
    ),
    Mutation(
        "schedule: a step late",
        "training/optimizers.py",
        "config.schedule.factor((step + 1) / steps_per_epoch, num_epochs)",
        "config.schedule.factor(step / steps_per_epoch, num_epochs)",
        "tests/training/test_optimizers.py",
    ),
    Mutation(
        "weight decay: of biases too",
        "training/optimizers.py",
        "leaf.ndim > 1",
        "leaf.ndim > 0",
        "tests/training/test_optimizers.py",
    ),
    Mutation(
        "opponents: learn by the family's loss",
        "training/step.py",
        "return functools.reduce(lambda gradient, name: _graft(gradient, of(name), name), others, of(None))",
        "return of(None)",
        "tests/autoencoders/test_adversarial.py",
    ),
    Mutation(
        "early stopping: an epoch late",
        "training/epoch.py",
        "state.stale_epochs >= training.patience",
        "state.stale_epochs > training.patience",
        "tests/training/test_step.py tests/training/test_population.py",
    ),
    Mutation(
        "early stopping: the last is kept, not the best",
        "training/epoch.py",
        "best=jax.tree.map(lambda new, old: jnp.where(better, new, old), state.current_variables(), state.best)",
        "best=state.current_variables()",
        "tests/training/test_step.py tests/training/test_population.py",
    ),
    Mutation(
        "divergence: the state is not the last finite one",
        "training/epoch.py",
        "jnp.where(finite, new, old), after, diverged), metrics",
        "jnp.where(finite | (new.ndim > 0), new, old), after, diverged), metrics",
        "tests/training/test_step.py tests/training/test_population.py",
    ),
    Mutation(
        "members: padding is fetched too",
        "training/population.py",
        "return jax.tree.map(lambda x: x[: after - first], to_host(tree))",
        "return to_host(tree)",
        "tests/training/test_population.py",
    ),
    # Studies.
    Mutation(
        "resuming: an epoch is left out",
        "training/loop.py",
        "states = [park(state) for state in members.deal(start.state)]",
        "states = [park(state.replace(epoch=state.epoch + 1)) for state in members.deal(start.state)]",
        "tests/study/test_damaged_checkpoints.py",
    ),
    Mutation(
        "checkpoint: digests are not compared",
        "store/files.py",
        "if actual != digest:",
        "if not actual:",
        "tests/study/test_damaged_checkpoints.py",
    ),
    Mutation(
        "data: a changed fingerprint is not noticed",
        "study/plan.py",
        "if then != dataset.fingerprint:",
        "if then is None:",
        "tests/store/test_record.py tests/study/test_reproduce.py",
    ),
    Mutation(
        "config id: defaults enter it",
        "config.py",
        'if name == "kind" or value != getattr(default, name):',
        "if True:",
        "tests/test_config.py",
    ),
    Mutation(
        "sweep: every config is a population of its own",
        "sweep.py",
        "members.setdefault(partition(config)[0], [])",
        "members.setdefault(config, [])",
        "tests/test_sweep.py",
    ),
    Mutation(
        "baselines: run for each value of a field that they ignore",
        "methods/untrained.py",
        'reads = ("seed", "data", "autoencoder", "evaluation")',
        'reads = ("seed", "data", "autoencoder", "optimizer", "evaluation")',
        "tests/study/test_run.py -k ignore_a_field",
    ),
    # Evaluation.
    Mutation(
        "Student's interval: a degree of freedom too many",
        "statistics.py",
        "(1 + confidence) / 2, num - 1)",
        "(1 + confidence) / 2, num)",
        "tests/test_statistics.py",
    ),
    Mutation(
        "Student's interval: deviation divided by n",
        "statistics.py",
        "np.std(values, ddof=1)",
        "np.std(values)",
        "tests/test_statistics.py",
    ),
    Mutation(
        "intervals: not widened for several comparisons",
        "statistics.py",
        "return student_interval(differences, 1 - (1 - CONFIDENCE) / num_comparisons)",
        "return student_interval(differences, CONFIDENCE)",
        "tests/test_statistics.py",
    ),
    Mutation(
        "probe: its strength is selected on test",
        "evaluation/probe.py",
        'correct = predict(fit, features["validation"]) == labels["validation"][:, None]',
        'correct = predict(fit, features["test"]) == labels["test"][:, None]',
        "tests/evaluation/test_probe.py",
    ),
    Mutation(
        "probe: validation images are not learned from in the end",
        "evaluation/probe.py",
        "chosen = fit_logistic(both, both_labels,",
        'chosen = fit_logistic(features["train"], labels["train"],',
        "tests/evaluation/test_probe.py",
    ),
    Mutation(
        "k-NN: ties go to the first class",
        "evaluation/neighbors.py",
        "jnp.argmax(jnp.where(votes == jnp.max(votes), summed, -jnp.inf))",
        "jnp.argmax(votes)",
        "tests/evaluation/test_neighbors.py",
    ),
    Mutation(
        "SSIM: the constants are not squared",
        "objectives/similarity.py",
        "_C1, _C2 = 0.01**2, 0.03**2",
        "_C1, _C2 = 0.01, 0.03",
        "tests/objectives/test_similarity.py",
    ),
    Mutation(
        "Fréchet distance: the overlap is counted once",
        "evaluation/generation.py",
        "jnp.trace(cov2) - 2 * overlap",
        "jnp.trace(cov2) - overlap",
        "tests/evaluation/test_generation.py",
    ),
    Mutation(
        "kernel distance: biased",
        "evaluation/generation.py",
        "/ max(len(own) - 1, 1)",
        "/ len(own)",
        "tests/evaluation/test_generation.py",
    ),
    Mutation(
        "AUROC: equal scores do not count half",
        "evaluation/anomaly.py",
        "jnp.mean((below[0] + below[1]) / (2 * inlier.size))",
        "jnp.mean(below[1] / inlier.size)",
        "tests/evaluation/test_anomaly.py",
    ),
    Mutation(
        "MIG: not in shares of the entropy",
        "evaluation/disentanglement.py",
        "np.mean((first - second) / entropy(factor))",
        "np.mean(first - second)",
        "tests/evaluation/test_disentanglement.py",
    ),
    Mutation(
        "halving: the worse go on",
        "search/methods.py",
        'order = np.argsort(losses, kind="stable")[: max(1, len(rung) // self.reduction)]',
        'order = np.argsort(losses, kind="stable")[-max(1, len(rung) // self.reduction) :]',
        "tests/search/test_methods.py",
    ),
    # Reports.
    Mutation(
        "HTML: text is not escaped",
        "report/html.py",
        "autoescape=True",
        "autoescape=False",
        "tests/report/test_page.py",
    ),
)
