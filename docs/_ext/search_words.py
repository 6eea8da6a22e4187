"""The words under which people look for a page, beside those of its title. The search shows it first."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

WORDS = {
    "how-to/handle-failures": ("retry", "retries", "exception", "failure", "saga", "compensation", "poison"),
    "how-to/make-an-activity-idempotent": (
        "idempotent",
        "idempotency",
        "exactly once",
        "at least once",
        "twice",
        "money",
    ),
    "how-to/stop-an-activity": ("cancel", "cancellation", "timeout", "time-out", "time limit", "terminate"),
    "how-to/run-activities-on-a-cluster": ("dask", "ray", "cluster", "gpu"),
    "how-to/run-activities-in-processes": ("processes", "multiprocessing"),
    "how-to/find-out-why-it-is-stuck": ("stuck", "hang", "hangs", "debug", "debugging"),
    "how-to/deploy-to-azure": ("deploy", "deployment", "publish", "production"),
    "how-to/lock-several-entities": ("lock", "deadlock", "critical section", "race condition"),
    "how-to/limit-rates": ("rate limit", "throttle", "queue", "backpressure"),
    "how-to/change-a-running-orchestration": ("version", "versioning", "upgrade", "migrate"),
    "how-to/resume-after-a-kernel-crash": ("crash", "restart", "resume", "recover"),
    "how-to/remember-results": ("cache", "memoize"),
    "how-to/test-an-orchestrator": ("test", "testing", "pytest", "mock"),
    "how-to/check-an-orchestrator": ("determinism", "nondeterminism", "deterministic", "lint"),
    "how-to/hand-around-data-frames": ("dataframe", "data frame", "pandas", "polars", "arrow"),
    "how-to/what-if": ("fork", "what if"),
    "how-to/walk-through-a-replay": ("replay", "explore", "step through"),
    "how-to/keep-state-in-entities": ("entity", "entities", "state"),
    "how-to/query-histories": ("sql", "query"),
    "how-to/serve-a-hub": ("http", "rest", "webhook"),
    "how-to/run-an-agent": ("agent", "agents", "llm", "mcp", "pydantic-ai"),
    "how-to/watch-what-an-agent-does": ("budget", "tokens", "costs"),
    "how-to/start-many-at-once": ("bulk", "batch"),
    "how-to/keep-an-endless-orchestration-small": ("continue as new", "eternal"),
    "how-to/use-asyncio-in-an-orchestrator": ("asyncio", "async"),
    "how-to/export-histories": ("export", "share", "colleague"),
    "how-to/send-an-orchestration": ("send", "html", "bug report"),
    "how-to/put-a-picture-into-a-paper": ("figure", "matplotlib", "pdf"),
    "tutorial/teaching": ("teach", "teacher", "class", "handout"),
    "tutorial/quickstart": ("quickstart", "install", "getting started"),
}
"""For each page, without its suffix, the words in lower case."""


def entries(docname: str) -> list[tuple[str, str, str, str, None]]:
    """Return the index entries of a page: main ones, which Sphinx's search ranks above titles and texts."""
    return [("single", word, "", "main", None) for word in WORDS.get(docname, ())]


def add(app: Sphinx, doctree: nodes.document) -> None:
    """Add a page's index entries to what the search reads of it."""
    found = entries(app.env.docname)
    if found:
        doctree.insert(0, addnodes.index(entries=found))


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the entries after the general index has been made, which doesn't need them."""
    app.connect("doctree-read", add)
    return {"parallel_read_safe": True}
