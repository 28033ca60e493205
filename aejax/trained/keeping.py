"""A published study may keep one trained model, where it is small."""

from aejax.errors import UserError
from aejax.methods.zoo import SUBJECT
from aejax.store.directory import StudyDirectory
from aejax.study.job import Options
from aejax.trained.model import Trained
from aejax.trained.opening import Opener

MAX_BYTES = 1_000_000  # Of the arrays of a model: a repository is no place for large ones.


def model_to_keep(directory: StudyDirectory) -> Trained:
    """Opens the autoencoder that validation images find best, of a study whose checkpoints are there.

    Raises:
      UserError: if there is none, or if it is too large to be kept with a published study.
    """
    opener = Opener(directory, Options(say=lambda line: None))
    (trained,) = opener.open(SUBJECT, [opener.best(SUBJECT)])
    size = sum(array.nbytes for array in trained.arrays().values())
    if size > MAX_BYTES:
        raise UserError(
            f"the {SUBJECT} {trained.id} of {directory.path} takes {size} bytes, and a published study keeps a model "
            f"of at most {MAX_BYTES}; publish it without --keep_model"
        )
    return trained


def keep_model(trained: Trained, published: StudyDirectory) -> str:
    """Saves a model in a published study, unless it is there; returns a line that says where.

    Raises:
      UserError: if the study is not a published one.
    """
    path = published.model(trained.method, trained.id)
    if not published.is_published:
        raise UserError(f"{published.path} is not published, and holds its checkpoints itself; leave out --keep_model")
    if not path.is_dir():
        trained.save(path)
    return f"{path}: the trained {trained.method} {trained.id}, with which aejax.load opens it again"
