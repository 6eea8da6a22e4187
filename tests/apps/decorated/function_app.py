"""An app of model v2, which registers a blueprint of Durable Functions, as Azure's own sample does."""

import json
import os

import azure.durable_functions as df
import azure.functions as func
from greetings import bp

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(bp)


@app.route(route="orchestrators/{functionName}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def http_start(req: func.HttpRequest, client):
    value = json.loads(req.get_body() or b"null")
    instance_id = await client.start_new(req.route_params["functionName"], client_input=value)
    return client.create_check_status_response(req, instance_id)


@app.route(route="counters/{key}")
@app.durable_client_input(client_name="client")
async def read_counter(req: func.HttpRequest, client) -> func.HttpResponse:
    found = await client.read_entity_state(df.EntityId("Counter", req.route_params["key"]))
    return func.HttpResponse(json.dumps(found.entity_state), status_code=200 if found.entity_exists else 404)


@app.route()
def setting(req: func.HttpRequest) -> str:
    from azure.durable_functions import EntityId  # in the middle of a call, too

    return f"{os.environ['GREETING']} {EntityId.__module__}"


@app.schedule(schedule="%TimerSchedule%", arg_name="timer")
def nightly(timer: func.TimerRequest) -> None:
    print("past due" if timer.past_due else "in time")


@app.queue_trigger(arg_name="message", queue_name="orders", connection="Storage")
def on_order(message: func.QueueMessage) -> None:
    raise AssertionError("nothing calls it")
