import azure.functions as func
from azure.durable_functions import DurableOrchestrationClient
from azure.durable_functions.models.utils.entity_utils import EntityId


async def main(req: func.HttpRequest, starter: str) -> func.HttpResponse:
    found = await DurableOrchestrationClient(starter).read_entity_state(
        EntityId("Counter", req.params["key"])
    )
    return func.HttpResponse(str(found.entity_state))
