"""A blueprint: an orchestrator, an activity that is called by what its decorator gave, and an entity."""

import azure.durable_functions as df

bp = df.Blueprint()


@bp.activity_trigger(input_name="city", activity="SayHello")
def say_hello(city: str) -> str:
    return f"Hello {city}!"


@bp.orchestration_trigger(context_name="context")
def greet(context: df.DurableOrchestrationContext):
    entity = df.EntityId("Counter", "greetings")
    result = yield context.call_activity(say_hello, context.get_input() or "Tokyo")
    yield context.call_entity(entity, "add", 1)
    return result


@bp.function_name("Waiting")
@bp.orchestration_trigger(context_name="context")
def waiting(context: df.DurableOrchestrationContext):
    return [context.version, (yield context.wait_for_external_event("ApprovalEvent"))]


@bp.entity_trigger(context_name="context", entity_name="Counter")
def counter(context: df.DurableEntityContext):
    context.set_state(context.get_state(lambda: 0) + context.get_input())
