"""Orchestrators that use libraries which need not be installed: they are read, and not imported."""

import json
import os

import aiohttp
import azure.durable_functions as df
import boto3
import openai
import pendulum
import requests
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, generate_blob_sas
from boto3.dynamodb.conditions import Key
from requests.auth import HTTPBasicAuth
from redis import Redis

bp = df.Blueprint()
session = requests.Session()
cache = Redis()


@bp.orchestration_trigger(context_name="context")
def of_azure(context: df.DurableOrchestrationContext):
    credential = DefaultAzureCredential()  # finds DNB202
    service = BlobServiceClient(os.environ["URL"], credential)  # finds DNB202, DNB106
    token = generate_blob_sas("account", "container", permission=BlobSasPermissions(read=True))
    yield context.call_activity("ship", token)


@bp.orchestration_trigger(context_name="context")
def of_requests(context):
    answer = requests.post("https://example.org", auth=HTTPBasicAuth("a", "b"))  # finds DNB202
    again = session.get("https://example.org")  # finds DNB202
    try:
        yield context.call_activity("ship", [answer.json(), again.json()])
    except requests.exceptions.RequestException as error:
        raise requests.ConnectionError("no") from error


@bp.orchestration_trigger(context_name="context")
def of_others(context):
    table = boto3.resource("dynamodb")  # finds DNB202
    condition = Key("id").eq(1)
    hit = cache.get("a")  # finds DNB202
    now = pendulum.now()  # finds DNB101
    answer = openai.OpenAI().responses.create(input="Hello")  # finds DNB202
    yield context.call_activity("ship", [table, condition, hit, now, answer])


async def session_awaited(context: df.DurableOrchestrationContext):
    async with aiohttp.ClientSession() as client:  # finds DNB202
        await client.get("https://example.org")  # finds DNB202


main = df.Orchestrator.create(session_awaited)


@bp.orchestration_trigger(context_name="context")
def event_that_is_taken_for_a_value(context):
    data = yield context.wait_for_external_event("Approval")
    task = context.wait_for_external_event("Approval")
    yield task
    if data["approved"]:  # finds DNB407
        return task.result.get("by")  # finds DNB407
    return data == "yes"  # finds DNB407


@bp.orchestration_trigger(context_name="context")
def event_that_is_looked_at(context):
    data = yield context.wait_for_external_event("Approval")
    data = json.loads(data) if isinstance(data, str) else data
    return data["approved"]
