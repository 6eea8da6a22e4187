import azure.durable_functions as df


def orchestrator_function(context: df.DurableOrchestrationContext):
    city = context.get_input()
    greeting = yield context.call_activity("Hello", city)
    code = yield context.call_activity("Text", greeting)
    count = yield context.call_entity(df.EntityId("Counter", "a"), "add", 2)
    return [city.name, greeting, code, count]


main = df.Orchestrator.create(orchestrator_function)
