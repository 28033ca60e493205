"""Flags in, a study or one clear line out."""

import pathlib
import subprocess
import sys

import pytest

from aejax.cli import commands, request
from aejax.errors import LONGEST, ConfigError, UserError

QUICKSTART = "--config=experiments/quickstart.py"
TINY = [  # The sizes of tests/study/test_run.py, so that the programs compiled there serve here.
    QUICKSTART,
    "--set=data.validation_size=100",
    "--set=training.epochs=3",
    "--set=training.batch_size=32",
    "--set=evaluation.probe_strengths=[1e-3,1e-1]",
    "--set=autoencoder.latent_size=8",
    "--set=autoencoder.encoder.widths=[16]",
]


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)


def script(*arguments, **kwargs):
    return subprocess.run([sys.executable, "scripts/train.py", *arguments], capture_output=True, text=True, **kwargs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--set=optimizer.learning_rat=1"],
            "unknown field 'optimizer.learning_rat'; did you mean 'optimizer.learning_rate'",
        ),
        (["--set=optimizer.learning_rate=fast"], "optimizer.learning_rate: should be a valid number"),
        (["--set=autoencoder.latent_activation=rellu"], "did you mean 'relu'"),
        (["--set=optimizer=adamm"], "did you mean 'adam'"),
        (["--set=optimizer"], "expected path=value"),
        (["--config=experiments/quickstrat.py"], "did you mean experiments/quickstart.py"),
        (["--config=experiments/article.py:cifar"], "unknown variant 'cifar'; variants: mnist, fashion"),
        (["--config=experiments/quickstart.py:big"], "unknown variant 'big'; it has none"),
        (["--sweep=optimizer.learning_rate="], "expected path=value"),
        (["--sweep=optimizer.learning_rate=1e-3,"], "an empty value"),
        (["--sweep=label=a,b"], "a label is no field"),
        (["--sweep=seed=1,2", "--sweep=seed=3"], "'seed' is swept twice"),
        (["--config=experiments/article.py:sweep", "--sweep=optimizer.learning_rate=1"], "is swept twice"),
        (["--sweep=training.epochs=1,2", "--set=training.epochs=3"], "both set and swept"),
        (["--seeds=3", "--sweep=seed=1,2"], "--seeds goes with neither"),
        (["quickstart", "train"], "leftover argument 'train'"),
        (["--seeds=0"], "seeds"),
        (["--seedling=3"], "Unknown command line flag 'seedling'"),
        (["--seed=3"], "unknown flag 'seed'; write --set seed=..."),
        (["--epochs=3"], "unknown flag 'epochs'; write --set training.epochs=..."),
        (["--seeds=2147483648"], "not an integer in the range [1, 10000]"),
        (["--sweep=training.epochs=1,2,3", "--seeds=5000"], "3 x 5000 points are 15000, and 10000 is the most"),
        (["--checkpoint_seconds=nan"], "nan is not finite"),
        (["--set=training.epochs.kind=x"], "'training.epochs' is a value, without fields"),
        (["--set=training.patience.x=3"], "'training.patience' is a value, without fields"),
        ([f"--set=training.epochs={'[' * 3000}"], "too many brackets within brackets"),
        ([f"--set=training.epochs={'[' * 300}{']' * 300}"], "too many brackets within brackets"),
        ([f"--set=training.epochs={'9' * 5000}"], "training.epochs: should be a finite number"),
        ([f"--set=training.epochs={'x' * 5000}"], " … "),
        (["--set=training.epochs\x1b[31m\n=3"], "unknown field 'training.epochs\\x1b[31m'"),
        (["--config=a\nb\x1b[31m"], "unknown experiment 'a\\nb\\x1b[31m'"),
        ([f"--config={'x' * 5000}.py"], "no such file"),
        (["--set=data.name=a b"], "data.name: should be 'digits', 'aejax_sprites', the name of a prepared data"),
        (["--set=data.name=\udcff.npz"], "data.name: should be text, got bytes that are not UTF-8: '\\udcff.npz'"),
        (['--set=evaluation.transfer={"name":"a","name":"b"}'], "an object has 'name' twice"),
        (["--set=epochs=3"], "did you mean 'training.epochs'?"),
        (["--set=batch_size=3"], "did you mean 'training.batch_size'?"),
        (["--set=learning_rate=3"], "did you mean 'optimizer.learning_rate'?"),
        (["--set=training.lr=3"], "did you mean 'optimizer.learning_rate'?"),
        (["--set=fine_tunign.epochs=3"], "did you mean 'fine_tuning.epochs'?"),
        (["--set=latent_dim=3"], "did you mean 'autoencoder.latent_size'?"),
        (["--set=training.batch_size=foo"], "training.batch_size: should be a valid integer or 'all', got 'foo'"),
        (["--set=training.batch_size=-3"], "training.batch_size: should be greater than 0 or 'all', got -3"),
        (["--set=autoencoder.likelihood=bce"], "unknown choice 'bce'; did you mean 'bernoulli'? (choices: half_"),
        (["--set=optimizer=lion"], "unknown choice 'lion' (choices: sgd, momentum, adam, adamw)"),
        (["--set=autoencoder.beta=3"], "not of this autoencoder, but of autoencoder=beta_vae, beta_tcvae"),
        (
            ["--set=autoencoder.hidden=3"],
            "autoencoder has latent_size, latent_activation, patches, condition, decoder, encoder, likelihood",
        ),
        (["--set=evaluation.measures=probe"], 'should be a list in brackets, such as [1, 2] or ["a", "b"], got'),
        (["--set=training.epochs=-1"], "training.epochs: should be greater than or equal to 0"),
        (["--set=data.preprocessing=zca"], "targets outside [0, 1]"),
        (["--set=data.validation_size=0", "--set=training.patience=3"], "training.patience needs validation images"),
        (["--set=data.validation_size=0"], "classifiers of features need some validation images"),
        (["--set=training.patience=10000000000"], "training.patience: should be less than 2147483648"),
        (
            ["--set=evaluation.transfer.name=mnist"],
            "evaluation.transfer is null and has no fields",
        ),
        (
            [
                "--set=autoencoder=denoising",
                "--set=autoencoder.corruption=salt_and_pepper",
                "--set=training.pretraining_epochs=1",
            ],
            "only if autoencoder.encoder.activation=sigmoid",
        ),
        (
            [
                "--set=autoencoder=contractive",
                "--set=autoencoder.encoder=resnet",
                "--set=autoencoder.encoder.norm=batch",
            ],
            "use encoder.norm=group",
        ),
        (["--set=evaluation.probe_strengths=[]"], "evaluation.probe.strengths is empty"),
        (["--set=data.classes=[3]"], "data.classes=[3]: of a single class there is nothing to tell apart"),
        (["--set=data.classes=[3,4,3]"], "data.classes: Classes should be named once, not twice as 3"),
        (['--set=evaluation.transfer={"nam":"mnist"}'], "unknown field 'evaluation.transfer.nam'"),
        (['--set=evaluation.transfer={"validation_size":0}'], "evaluation.transfer.validation_size is 0"),
        (['--set=evaluation.outliers={"preprocessing":"zca"}'], "evaluation.outliers.preprocessing=zca: "),
        (['--set=evaluation.transfer={"preprocessing":"zca"}'], "leave it out and set data.preprocessing"),
        (
            ['--set=evaluation.transfer={"name":"mnist"}', '--set=evaluation.measures=["reconstruction"]'],
            "evaluation.transfer is read by 'probe', 'neighbors'",
        ),
    ],
)
def test_a_wrong_flag_is_one_line_before_anything_is_read_or_written(tmp_path, arguments, message):
    # A data set that does not exist: reading data first would say so instead.
    workdir = tmp_path / "study"
    name = [] if any("article" in argument for argument in arguments) else ["--set=data.name=nowhere"]
    with pytest.raises(ConfigError) as error:
        commands.train([f"--workdir={workdir}", *name, *arguments])
    assert message in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) <= LONGEST
    assert error.value.exit_status == 2
    assert not workdir.exists()


def test_an_experiment_file_that_fails_is_one_line_with_its_place(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("def get_config():\n    return undefined\n")
    with pytest.raises(ConfigError, match="line 2: NameError: name 'undefined'"):
        commands.train([f"--config={broken}"])
    broken.write_text("x = 1\n")
    with pytest.raises(ConfigError, match="defines no get_config"):
        commands.train([f"--config={broken}"])
    broken.write_text("from aejax.experiment import Config\nget_config = Config\nsweep = list\n")
    with pytest.raises(ConfigError, match="its sweep is empty"):
        commands.train([f"--config={broken}"])


def test_configs_built_in_python_pass_the_gate(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from aejax.experiment import Config\ndef get_config():\n    return Config(seed='one')\n")
    with pytest.raises(ConfigError, match="seed: should be a valid integer"):
        commands.train([f"--config={wrong}"])


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ("get_config = lambda: None", r"get_config\(\) should return a Config, got None"),
        ("get_config = lambda: Config(seed=np.int64(3))", r"seed: should be of plain numbers, .*got np.int64\(3\)"),
        ("get_config = Config; sweep = lambda: 3", "TypeError: 'int' object is not iterable"),
        ("get_config = Config; sweep = lambda: [3]", "AttributeError: 'int' object has no attribute 'items'"),
        ("get_config = Config; sweep = lambda: [{3: 4}]", "unknown field '3'"),
        ("get_config = Config; sweep = lambda: [{'seed': Config()}]", "seed: should be of plain numbers"),
        ("get_config = search = Config", r"search\(\) should return a Search, got Config"),
        ("get_config = Config; VARIANTS = 3", "TypeError: 'int' object is not iterable"),
        ("raise SystemExit", r"experiment.py, line 3: SystemExit$"),
        ("def get_config(variant):\n    pass", r"get_config\(\) missing 1 required positional argument: 'variant'"),
        ("def get_config():\n    exit(0)", r"experiment.py, line 4: SystemExit: 0$"),
        ("get_config = Config\ndef sweep():\n    raise ValueError('a\\nb')", r"line 5: ValueError: a b$"),
        ("def get_config(:", r"SyntaxError: .*experiment.py, line 3"),
        ("x = 1\0", "null bytes"),
    ],
)
def test_what_an_experiment_file_gives_passes_the_gate(tmp_path, functions, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = pathlib.Path("experiment.py")
    file.write_text(f"import numpy as np\nfrom aejax.experiment import Config\n{functions}\n")
    with pytest.raises(ConfigError, match=message) as error:
        commands.train([f"--config={file}"])
    assert str(error.value).isprintable()


def test_missing_data_are_one_line_and_nothing_is_written(tmp_path):
    with pytest.raises(UserError) as error:
        commands.train(
            [f"--workdir={tmp_path / 'study'}", "--set=data.name=nowhere", f"--set=data.directory={tmp_path}"]
        )
    assert error.value.exit_status == 1
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_the_quickstart_at_its_smallest(tmp_path, capsys):
    said = []
    arguments = [
        *TINY,
        "--seeds=2",
        f"--workdir={tmp_path}",
        "--sweep=optimizer.learning_rate=1e-3,1e-2",
        "--tensorboard",
    ]
    commands.train(arguments, say=said.append)
    table = "\n".join(said)
    for method in ("autoencoder", "untrained", "supervised", "pixels", "pca"):
        assert f"| {method}" in table
    assert (tmp_path / "results.md").read_text().strip() in table
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 1 + 4 + 2 + 4 + 1 + 1
    assert len(list(tmp_path.glob("populations/autoencoder-*/tensorboard/*/events*"))) == 4


def test_choosing_one_seed_runs_that_seed():
    assert [config.seed for config in request.parse(["--set=seed=7"], "").configs] == [7]
    assert [config.seed for config in request.parse([], "").configs] == [0, 1, 2, 3, 4]
    assert [config.seed for config in request.parse(["--sweep=seed=3,1"], "").configs] == [3, 1]


def test_the_script_exits_with_status_two_and_one_line():
    result = script("--set=optimizer=adamm")
    assert result.returncode == 2
    assert result.stderr.startswith("error: optimizer: unknown choice 'adamm'")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_help_shows_examples_and_flags():
    result = script("--help")
    assert result.returncode == 0
    assert "aejax train quickstart" in result.stdout
    assert "--sweep" in result.stdout
    assert "  optimizer.learning_rate=0.001\n" in result.stdout
    assert result.stderr == ""


def test_a_dry_run_of_the_script_trains_nothing(tmp_path):
    result = script(QUICKSTART, "--dry_run", f"--workdir={tmp_path / 'study'}")
    assert result.returncode == 0, result.stderr
    assert "5 configs: 5 autoencoders" in result.stdout
    assert not (tmp_path / "study").exists()


def test_a_work_directory_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    result = script(*TINY, f"--workdir={tmp_path / 'file' / 'study'}")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in result.stderr
