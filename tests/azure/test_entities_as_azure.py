"""An entity function leaves the state and the results that Azure's own code makes of the same function."""

import itertools
import json

import azure.durable_functions as adf
import pytest

from durablenb.core.entity import NOTHING, DurableEntityContext, OperationRequest
from durablenb.model.entities import EntityId
from durablenb.values.codec import ValueCodec

STEPS = {
    "read": lambda context: context.get_state(),
    "read a default": lambda context: context.get_state(lambda: {"new": 1}),
    "change what is read": lambda context: context.get_state(dict).update(changed=1),
    "set nothing": lambda context: context.set_state(None),
    "set": lambda context: context.set_state({"a": 1}),
    "answer": lambda context: context.set_result(1),
    "go": lambda context: context.destruct_on_exit(),
}
OPERATIONS = [steps for count in (1, 2) for steps in itertools.product(STEPS, repeat=count)]


def function_of(steps):
    def function(context):
        for step in steps:
            STEPS[step](context)

    return function


def in_azure(function, exists, state):
    payload = {
        "self": {"name": "e", "key": "k"},
        "exists": exists,
        "state": state,
        "batch": [{"name": "do", "input": "null", "isSignal": True}],
    }
    left = json.loads(adf.Entity.create(function)(json.dumps(payload)))
    assert [one["isError"] for one in left["results"]] == [False]
    return left["entityExists"], left["entityState"]


def in_durablenb(function, state):
    context = DurableEntityContext(
        EntityId("e", "k"), "an execution", state, OperationRequest(0, "do", "null"), ValueCodec()
    )
    return context._outcome(function(context))[1]


@pytest.mark.filterwarnings("ignore:azure.functions df_loads:DeprecationWarning")
@pytest.mark.parametrize("first", OPERATIONS, ids=", ".join)
def test_whether_it_exists_and_its_state_are_those_of_azure(first):
    for then in OPERATIONS:
        azures, own = (False, None), NOTHING
        for steps in (first, then):
            if steps == ("go", "answer"):
                continue  # what was deleted stays deleted here, also if there is an answer
            azures = in_azure(function_of(steps), *azures)
            own = in_durablenb(function_of(steps), own)
            exists, state = azures
            assert (own != NOTHING) == exists, (steps, own, azures)
            if exists:
                assert json.loads(own) == (None if state is None else json.loads(state)), (steps, own, azures)
