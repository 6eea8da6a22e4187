"""The queries of the cookbook answer what is known of a shop's hub."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.analysis.shop import shop

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "query-histories.md"
QUESTION = re.compile(r"^## (.+?)\n(?:(?!^## ).)*?^```sql\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUERIES = dict(QUESTION.findall(PAGE.read_text(encoding="utf-8")))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}")


ANSWERS = {
    "Which instances are stuck?": [
        ("nightly", "nightly", "Running", at("01-08 03:32:57")),
        ("report-Rome", "report", "Running", at("01-08 03:33:10")),
        ("gift-2", "gift", "Running", at("01-08 04:33:40")),
        ("gift-3", "gift", "Running", at("01-08 04:33:40")),
        ("order-6", "order", "Running", at("01-15 04:33:40.5")),
    ],
    "What does each open instance wait for?": [
        ("nightly", "sub-orchestration", "report", at("01-08 03:32:57")),
        ("report-Rome", "external event", "Closed", at("01-08 03:33:10")),
        ("gift-3", "lock", "@points@Bob, @points@Cy", at("01-08 04:33:40")),
        ("gift-2", "external event", "Accepted", at("01-08 04:33:40")),
        ("order-6", "external event", "Approval", at("01-15 04:33:40.5")),
        ("order-6", "timer", "timer", at("01-15 04:33:40.5")),
    ],
    "Who waits for whom?": [
        ("nightly", "report-Rome", "Closed"),
    ],
    "Which activities are slow?": [
        ("pack", 7, 4.0, 5.7, timedelta(seconds=6)),
        ("collect", 3, 4.0, 4.9, timedelta(seconds=5)),
        ("charge", 11, 2.0, 2.0, timedelta(seconds=2)),
        ("reserve", 6, 0.5, 1.375, timedelta(seconds=1.5)),
    ],
    "Do they run long, or wait long?": [
        ("pack", 17.0, 32.0, 35.0),
        ("collect", 13.0, 13.0, 50.0),
        ("charge", 0.0, 22.0, 0.0),
        ("reserve", 0.0, 4.5, 0.0),
    ],
    "How much ran at the same time?": [
        ("nightly", 3, None),
        ("order-1", 1, 9.0),
        ("order-3", 1, 4.0),
        ("report-Paris", 1, 4.0),
        ("report-Rome", 1, 9.0),
    ],
    "Where did the time of an instance go?": [
        (1, "activity", "reserve", timedelta(seconds=1.5)),
        (2, "activity", "charge", timedelta(seconds=2)),
        (3, "activity", "pack", timedelta(seconds=15)),
    ],
    "Whose critical path is the longest?": [
        ("monitor", 1, 3600.0, "timer"),
        ("order-3", 4, 1812.0, "Approval"),
        ("order-5", 8, 78.5, "timer (before a retry)"),
    ],
    "Is there a storm of retries?": [
        (at("01-01 00:00:00"), "charge", 1, 2, 1),
        (at("01-08 00:00:00"), "charge", 2, 7, 6),
    ],
    "What do retries cost?": [
        ("charge", 3, 4, 110.0, 2),
    ],
    "What fails, with which message?": [
        (
            "charge",
            "builtins.ConnectionError",
            "card # was refused",
            7,
            at("01-01 00:00:21"),
            at("01-08 00:32:48"),
        ),
    ],
    "What does each customer cost?": [
        ("Ada", 3, 39.0, 0.00433),
        ("Cy", 1, 10.5, 0.00117),
        ("Bob", 2, 9.0, 0.001),
    ],
    "Is this week like the last?": [
        (datetime(2025, 12, 29), 3, None, 0, 18.5),
        (at("01-05 00:00:00"), 2, -1, 1, 40.5),
        (at("01-12 00:00:00"), 1, -1, 0, None),
        (at("01-19 00:00:00"), 1, 0, 0, None),
    ],
    "How wide are the fan-outs?": [
        ("nightly", "report", 3, timedelta(seconds=13)),
        ("order-1", "pack", 3, timedelta(seconds=15)),
        ("order-3", "pack", 2, timedelta(seconds=9)),
    ],
    "Are timers late?": [
        ("retry", 6, timedelta(seconds=0), 0, 0),
        ("timer", 3, timedelta(seconds=9), 1, 1),
    ],
    "Which external events were never consumed?": [
        ("order-3", "approval", at("01-01 00:30:38"), '"yes, really"'),
        ("order-3", "aproval", at("01-01 00:30:38"), '"typo"'),
    ],
    "How long do people take to decide?": [
        ("Accepted", 1, timedelta(seconds=30), 1),
        ("Approval", 1, timedelta(seconds=1800), 1),
        ("Closed", 0, None, 1),
    ],
    "What fills the file?": [
        ("order-1", "ExecutionStarted", "order", 30074),
        ("order-1", "TaskScheduled", "charge", 30074),
        ("order-2", "ExecutionStarted", "order", 20074),
    ],
    "Which histories get long?": [
        ("order", 7, 0, 9, 27),
        ("gift", 3, 0, 5, 16),
        ("nightly", 1, 0, 1, 7),
        ("monitor", 3, 2, 2, 6),
        ("report", 3, 0, 2, 6),
    ],
    "What belongs to this instance?": [
        ("nightly", "nightly", "Running"),
        ("  report", "report-Oslo", "Completed"),
        ("  report", "report-Paris", "Completed"),
        ("  report", "report-Rome", "Running"),
    ],
    "How did this entity reach its state?": [
        ("earn", None, "3", None, "3", None),
        ("earn", None, "-5", "3", "3", "5 points are more than there are"),
        ("take", "gift-1", "20", "3", "23", None),
    ],
    "What were the states at that moment?": [
        ("@points@Ada", "50"),
        ("@points@Bob", "3"),
    ],
    "Which entities have much to do?": [
        ("@points@Ada", 1, "gift-2", 2, 0),
        ("@points@Bob", 0, "gift-3", 3, 1),
    ],
    "Which orchestration blocks which?": [
        ("gift-3", "@points@Cy", "gift-2", at("01-08 04:33:40")),
    ],
}


@pytest.fixture(scope="module")
def hub():
    with shop() as hub:
        yield hub


def test_every_question_has_a_query_and_a_known_answer():
    headings = re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert list(QUERIES) == headings == list(ANSWERS)


@pytest.mark.parametrize("question", QUERIES)
def test_the_query_gives_the_known_answer(hub, question):
    assert hub.sql(QUERIES[question]).fetchall() == ANSWERS[question]
