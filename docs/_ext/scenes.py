"""A hub with something of everything, on a virtual clock: what the gallery draws."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import durablenb as df

clock = df.VirtualClock(datetime(2026, 5, 4, 9))
WIDE = 10_000


def taking(name: str, seconds: float, result: Any = None) -> tuple[str, Any]:
    """An activity that takes its time on the clock."""

    def run() -> Any:
        clock.advance(seconds=seconds)
        return result

    return name, run


def define(hub: df.TaskHub) -> None:
    """Give the hub its functions."""
    quick = [taking("reserve", 4), taking("charge", 11), taking("ship", 7), taking("merge", 40)]
    quick += [taking("read_meter", 3, 17), taking("pack", 6), taking("load", 9)]
    for name, run in quick:
        hub.add_activity(run, name=name)
    tries = 0

    @hub.activity
    def download(file: str) -> str:
        nonlocal tries
        tries += 1
        clock.advance(seconds=20)
        if tries < 4:
            raise ConnectionError(f"{file}: the server is busy")
        return file

    @hub.activity
    def shrink(image: int) -> int:
        clock.advance(seconds=0.05)
        if image % 331 == 200:
            raise ValueError(f"image {image} is damaged")
        return image

    @hub.activity
    def stamp(parcel: str) -> None:
        clock.advance(seconds=5)
        if parcel == "parcel 2":
            raise ValueError(f"{parcel} has no address")

    @hub.activity(cache=df.CachePolicy(by="input"))
    def count_rides(city: str) -> int:
        clock.advance(minutes=4)
        return 1000 * len(city) + 17

    @hub.activity(queue=df.Queue("translator", concurrency=2, rate=(5, timedelta(minutes=1))))
    def translate(page: int) -> int:
        clock.advance(seconds=6)
        return page

    @hub.activity
    def report(rides: dict[str, int]) -> None:
        from IPython.display import HTML, SVG, display

        rows = "".join(f"<tr><td>{city}</td><td>{count:,}</td></tr>" for city, count in rides.items())
        display(HTML(f"<table><tr><th>city</th><th>rides</th></tr>{rows}</table>"))
        bars = "".join(
            f'<rect x="70" y="{22 * place + 4}" width="{count / 25}" height="16" fill="#4a8fd6"/>'
            f'<text x="64" y="{22 * place + 16}" text-anchor="end" font-size="12">{city}</text>'
            for place, (city, count) in enumerate(rides.items())
        )
        size = f'width="420" height="{22 * len(rides) + 4}"'
        display(SVG(f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">{bars}</svg>'))

    define_agent(hub)

    @hub.entity
    class Account:
        def __init__(self) -> None:
            self.balance = 0
            self.reserved = 0

        def add(self, amount: int) -> int:
            if self.balance + amount < 0:
                raise ValueError(f"only {self.balance} left")
            self.balance += amount
            return self.balance

        def reserve(self, amount: int) -> None:
            self.reserved += amount


def define_agent(hub: df.TaskHub) -> None:
    """Give the hub a travel agent: its model, its tool, and the loop between them."""

    @hub.activity(name="travel.model")
    def ask(given: dict[str, Any]) -> dict[str, Any]:
        clock.advance(seconds=2)
        if len(given["messages"]) == 1:
            cities = ("Oslo", "Rome")
            parts = [{"part_kind": "text", "content": "I look up the weather in both cities."}]
            parts += [tool("weather", city, {"city": city}) for city in cities]
            return said(parts, 812, 96)
        parts = [{"part_kind": "text", "content": "Rome is warmer. I book a flight if you agree."}]
        parts += [tool("book_flight", "book", {"to": "Rome", "price": 214.5})]
        return said(parts, 1_204, 48)

    @hub.activity(name="travel.weather")
    def weather(call: dict[str, Any]) -> dict[str, Any]:
        clock.advance(seconds=1)
        degrees = {"Oslo": -3, "Rome": 14}[call["args"]["city"]]
        return {"kind": "tool_return", "result": f"{degrees} degrees"}

    def tool(name: str, call_id: str, args: dict[str, Any]) -> dict[str, Any]:
        return {"part_kind": "tool-call", "tool_name": name, "args": args, "tool_call_id": call_id}

    def said(parts: list[dict[str, Any]], tokens_in: int, tokens_out: int) -> dict[str, Any]:
        usage = {"input_tokens": tokens_in, "output_tokens": tokens_out}
        return {"kind": "response", "parts": parts, "usage": usage, "model_name": "gpt-x"}

    @hub.orchestrator
    def travel(context: df.DurableOrchestrationContext) -> Any:
        prompt = {"part_kind": "user-prompt", "content": context.get_input()}
        messages: list[Any] = [{"kind": "request", "parts": [prompt]}]
        first = yield context.call_activity("travel.model", {"messages": messages})
        calls = [part for part in first["parts"] if part["part_kind"] == "tool-call"]
        inputs = [{"args": call["args"], "call_id": call["tool_call_id"]} for call in calls]
        yield context.task_all([context.call_activity("travel.weather", given) for given in inputs])
        yield context.call_activity("travel.model", {"messages": [*messages, first, {"parts": []}]})
        yield context.wait_for_external_event("approval.book")


def orchestrate(hub: df.TaskHub) -> None:
    """Give the hub its orchestrators."""

    @hub.orchestrator
    def order(context: df.DurableOrchestrationContext) -> Any:
        for step in ("reserve", "charge", "ship"):
            yield context.call_activity(step)

    @hub.orchestrator
    def thumbnails(context: df.DurableOrchestrationContext) -> Any:
        shrunk = [context.call_activity("shrink", image) for image in range(context.get_input())]
        try:
            yield context.task_all(shrunk)
        except ValueError:
            context.set_custom_status("some images are damaged")
        yield context.call_activity("merge")

    @hub.orchestrator
    def download_all(context: df.DurableOrchestrationContext) -> Any:
        patient = df.RetryOptions(30_000, 5, backoff_coefficient=2.0)
        yield context.call_activity_with_retry("download", patient, "tiles.zip")
        yield context.call_activity("merge")

    @hub.orchestrator
    def monitor(context: df.DurableOrchestrationContext) -> Any:
        for _ in range(6):
            yield context.call_activity("read_meter")
            yield context.create_timer(context.current_utc_datetime + timedelta(minutes=1))
        yield context.call_activity("merge")

    @hub.orchestrator
    def expense(context: df.DurableOrchestrationContext) -> Any:
        yield context.call_activity("reserve")
        approval = context.wait_for_external_event("Approval")
        deadline = context.create_timer(context.current_utc_datetime + timedelta(hours=72))
        yield context.task_any([approval, deadline])

    @hub.orchestrator
    def parcel(context: df.DurableOrchestrationContext) -> Any:
        yield context.call_activity("pack")
        yield context.call_activity("stamp", context.get_input())

    @hub.orchestrator
    def delivery(context: df.DurableOrchestrationContext) -> Any:
        parcels = [
            context.call_sub_orchestrator("parcel", f"parcel {number}", f"parcel-{number}")
            for number in range(1, 5)
        ]
        try:
            yield context.task_all(parcels)
        except ValueError:
            yield context.call_activity("ship")
        yield context.call_activity("load")

    @hub.orchestrator
    def season(context: df.DurableOrchestrationContext) -> Any:
        rides = {}
        for city in context.get_input():
            rides[city] = yield context.call_activity("count_rides", city)
        yield context.call_activity("report", rides)
        return max(rides, key=rides.get)

    @hub.orchestrator
    def book(context: df.DurableOrchestrationContext) -> Any:
        pages = range(context.get_input())
        yield context.task_all([context.call_activity("translate", page) for page in pages])

    @hub.orchestrator
    def transfer(context: df.DurableOrchestrationContext) -> Any:
        payer, payee = df.EntityId("Account", "ada"), df.EntityId("Account", "grace")
        with (yield context.lock([payer, payee])):
            yield context.call_entity(payer, "add", -70)
            yield context.call_activity("charge")
            yield context.call_entity(payee, "add", 70)


def made() -> df.TaskHub:
    """Return the hub: most of its instances have ended, one waits for a person, one is in the middle."""
    hub = df.TaskHub(":memory:", mode="kernel", clock=clock, durability="pipelined")
    define(hub)
    orchestrate(hub)
    ada = hub.entity("Account", "ada")
    for place, amount in enumerate((100, 40, -25, -500, 60, 35)):
        ada.add(amount)
        if place == 3:
            ada.reserve(20)
        while hub.step():
            pass
        clock.advance(minutes=7)
    for name, input_, instance_id in (
        ("order", None, "order-7"),
        ("thumbnails", WIDE, "thumbnails-may"),
        ("download_all", None, "download-3"),
        ("monitor", None, "monitor-cellar"),
        ("delivery", None, "delivery-12"),
        ("transfer", None, "transfer-1"),
        ("season", ["Tokyo", "Seattle", "London"], "season-2026"),
        ("season", ["Tokyo", "Seattle", "Oslo"], "season-again"),
    ):
        hub.start(name, input_, instance_id=instance_id).wait()
        clock.advance(seconds=30)
    hub.start("parcel", "parcel 2", instance_id="parcel-9").wait()
    hub.start(
        "travel",
        "Where is it warmer this weekend, Oslo or Rome? Book me a flight there.",
        instance_id="trip-rome",
        budget=df.Budget(usd=1, prices={"gpt-x": {"input": 2, "output": 8}}),
    )
    for _ in range(7):
        hub.step()
    hub.start("expense", instance_id="expense-31")
    for _ in range(3):
        hub.step()
    clock.advance(hours=5)
    hub.start("book", 40, instance_id="book-1")
    for _ in range(6):
        hub.step()
    hub.start("thumbnails", 400, instance_id="thumbnails-june")
    for _ in range(260):
        hub.step()
    ada.add(10)
    return hub
