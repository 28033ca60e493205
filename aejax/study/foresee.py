"""Looking ahead: the programs that a population will need, compiled before it is executed."""

from typing import Any

from aejax.data.resident import ResidentData
from aejax.experiment import Config
from aejax.study.job import Execution
from aejax.study.measure import evaluation_programs
from aejax.training.loop import compile_chunk, compile_init, state_shapes
from aejax.training.population import Members, Program, shapes_of_member
from aejax.training.step import first_variables


def foresee(execution: Execution) -> None:
    """Begins to compile the programs that a population needs, as far as its shapes tell them, in the background.

    On GPU and TPU it waits for the training program, whose memory says how many members run at once.
    """
    job = execution.job
    if job.method.warm_start_from or job.continues or execution.checkpoints.exist():
        return  # What they begin with is not known yet.
    members = execution.members
    variables: Any = ()
    if job.method.trains:
        if any(execution.task(config).last_epoch for config in execution.configs):
            compile_chunk(members, execution.task, execution.data, execution.chunk_epochs(members))
        compile_init(members, execution.task, execution.data, {})
        state = state_shapes(Members(execution.configs[:1], 1), execution.task, execution.data)
        variables = shapes_of_member(state.evaluated_variables())
    elif job.method.has_parameters:
        variables = shapes_of_member(compile_variables(execution).result_shapes)
    if not job.method.makes_images:
        evaluation_programs(execution, members, variables)


def compile_variables(execution: Execution) -> Program:
    """Returns the program that makes the variables of an untrained round."""

    def variables(config: Config, _: Any, data: ResidentData) -> Any:
        return first_variables(execution.task(config), data)[0]

    return execution.members.compile(variables, (), execution.data, name="initialize")
