"""The environment of a study: what changed since it was recorded is named."""

from aejax.study.environment import environment, environment_changes


def test_what_changed_in_the_environment_is_named():
    now = environment()
    then = now | {"jax": "0.1", "devices": 64}
    assert now["jax"] != "0.1"
    assert now["commit"] is None or len(now["commit"]) == 40
    assert environment_changes(now, now) == []
    assert environment_changes(then, now) == [
        f"jax: 0.1 then, {now['jax']} now",
        f"devices: 64 then, {now['devices']} now",
    ]
