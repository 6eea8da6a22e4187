import azure.durable_functions as df
import azure.functions as func

from ..shared.values import City


async def main(req: func.HttpRequest, starter: str, message: func.Out[func.HttpResponse]) -> None:
    client = df.DurableOrchestrationClient(starter)
    instance_id = await client.start_new(req.route_params["functionName"], client_input=City("Tokyo"))
    message.set(client.create_check_status_response(req, instance_id))
