"""Every posted value comes back as it was, or is refused with a reason; none breaks the server."""

import json
import string
from datetime import UTC, datetime
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WAIT = {"timeout": "20", "pollingInterval": "1"}
FEW = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(st.characters(), max_size=20)
hostile = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "'; drop table journal; --",
        "../../etc/passwd",
        "%00",
        "\x00",
        "\r\nSet-Cookie: a=b",
        "{}",
        "{instanceId}",
        "INSTANCEID",
        "@counter@a",
        "\u202e\ufeff",
        "\ud800",
        ".",
        "..",
        "a" * 300,
    ]
)
keys = st.one_of(
    texts, st.sampled_from(["@type", "@value", "@payload", "__class__", "__module__", "__data__"])
)
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
        hostile,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)


@FEW
@given(value=values)
def test_a_value_posted_is_the_value_got(served, value):
    headers = {"Content-Type": "application/json"}
    answer = served.http.post("/orchestrators/echo", content=json.dumps(value), headers=headers, params=WAIT)
    assert answer.status_code == 200
    assert json.loads(answer.content) == value
    (last,) = served.http.get("/instances", params={"runtimeStatus": "Completed", "top": "1000"}).json()[-1:]
    assert (last["input"], last["output"]) == (value, value)
    served.http.delete(f"/instances/{last['instanceId']}")


def test_no_name_in_a_value_is_imported_or_rebuilt(served):
    for value in (
        {"__class__": "s", "__module__": "this", "__data__": "x"},
        {"@type": "pickle", "@value": "gASVDAAAAAAAAACMBHRoaXOUjAFzlJOULg=="},
        {"@type": "datetime", "@value": "2024-01-01T00:00:00"},
        {"@type": "dict", "@value": [[1, 2]]},
        {"@payload": "0" * 64},
        {"@type": "frame", "@payload": "0" * 64},
    ):
        answer = served.http.post("/orchestrators/echo", json=value, params=WAIT)
        assert (answer.status_code, answer.json()) == (200, value)


def test_what_only_python_has_is_shown_by_its_value(served):
    @served.hub.orchestrator
    def rich(context):
        return {
            "when": datetime(2024, 1, 2, tzinfo=UTC),
            "both": (1, {2: b"x"}),
            "none": {3: None},
            "odd": {"@type"},
        }

    answer = served.http.post("/orchestrators/rich", params=WAIT)
    assert answer.json() == {
        "when": "2024-01-02T00:00:00+00:00",
        "both": [1, [[2, "eA=="]]],
        "none": [[3, None]],
        "odd": ["@type"],
    }


@FEW
@given(
    instance_id=st.one_of(texts, hostile),
    word=st.sampled_from(["", "/terminate", "/raiseEvent/E", "/restart"]),
)
def test_a_hostile_id_is_taken_or_refused_on_every_path(served, instance_id, word):
    path = quote(instance_id, safe="", errors="surrogatepass")
    answers = [
        served.http.post(f"/orchestrators/approval/{path}"),
        served.http.get(f"/instances/{path}"),
        served.http.post(f"/instances/{path}{word}", json=1),
        served.http.get(f"/entities/Counter/{path}"),
        served.http.post(f"/entities/Counter/{path}?op=add", json=1),
        served.http.get("/instances", params={"instanceIdPrefix": path}),
        served.http.get("/instances", headers={"x-ms-continuation-token": path}),
        served.http.delete(f"/instances/{path}"),
    ]
    assert {answer.status_code for answer in answers} <= {200, 202, 204, 400, 404, 405, 409, 410, 412}
    started = answers[0]
    if started.status_code == 202 and instance_id not in ("", ".", ".."):
        assert started.json()["id"] == instance_id
        assert answers[1].json()["instanceId"] == instance_id
        assert set(started.headers["location"]) <= set(string.printable) - set(string.whitespace)
        if served.hub.client.get_status(instance_id):
            served.hub.client.terminate(instance_id)
        served.hub.client.purge_instance_history(instance_id)


@FEW
@given(
    body=st.binary(max_size=60),
    kind=st.sampled_from(["application/json", "text/plain", "application/x", "é"]),
)
def test_a_hostile_body_is_taken_or_refused(served, body, kind):
    headers = {"Content-Type": kind.encode()}
    instance_id = served.hub.client.start_new("approval")
    answers = [
        served.http.post("/orchestrators/echo", content=body, headers=headers),
        served.http.post(f"/instances/{instance_id}/raiseEvent/Other", content=body, headers=headers),
        served.http.post("/entities/Counter/body?op=keep", content=body, headers=headers),
    ]
    assert {answer.status_code for answer in answers} <= {202, 400}
    for answer in answers:
        if answer.status_code == 400:
            assert answer.json()


@FEW
@given(
    query=st.dictionaries(
        st.sampled_from(
            [
                "timeout",
                "pollingInterval",
                "top",
                "createdTimeFrom",
                "createdTimeTo",
                "runtimeStatus",
                "showHistory",
                "showInput",
                "reason",
                "op",
                "version",
                "lastOperationTimeFrom",
                "taskHub",
            ]
        ),
        st.one_of(texts, hostile, st.datetimes().map(str), st.integers().map(str), st.just("true")),
        max_size=5,
    )
)
def test_a_hostile_query_is_taken_or_refused(served, query):
    encoded = "&".join(
        f"{name}={quote(value, errors='surrogatepass')}"
        for name, value in query.items()
        if name not in ("timeout", "pollingInterval") or value != "true"
    )
    instance_id = served.hub.client.start_new("approval")
    answers = [
        served.http.get(f"/instances?{encoded}"),
        served.http.get(f"/instances/{instance_id}?{encoded}"),
        served.http.get(f"/entities?{encoded}"),
        served.http.post(f"/entities/Counter/query?{encoded}"),
        served.http.post(f"/instances/{instance_id}/suspend?{encoded}"),
        served.http.post(f"/orchestrators/echo?{encoded}"),
        served.http.delete(f"/instances?{encoded}"),
    ]
    assert {answer.status_code for answer in answers} <= {200, 202, 400, 404}
