"""The table of displayable objects: how each type is shown as HTML and as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durablenb.analysis.compare import Comparison
from durablenb.analysis.entities import EntitySnapshot
from durablenb.analysis.graph import GraphView
from durablenb.analysis.history import History
from durablenb.analysis.instance_card import InstanceCard
from durablenb.analysis.instances import InstanceList
from durablenb.analysis.logs import Log
from durablenb.analysis.outputs import Outputs, RichOutput
from durablenb.analysis.progress import ProgressSnapshot
from durablenb.analysis.replays.fit_report import FitReport, UpgradeReport
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.sequence import SequenceDiagram
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.checks.findings import Findings
from durablenb.model.display import Card, HubView
from durablenb.model.failures import FailureDetails
from durablenb.model.retries import RetryOptions
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.still.cards import card_text, plain_card, retries_card, retries_text
from durablenb.notebook.still.code_checks import findings_card, findings_text, fits_card, fits_text
from durablenb.notebook.still.comparison import comparison_card, comparison_text
from durablenb.notebook.still.entity import entity_card, entity_text
from durablenb.notebook.still.failure import failure_card, failure_text
from durablenb.notebook.still.history import history_card, history_text, log_card, log_text
from durablenb.notebook.still.hub import hub_card, hub_text, instances_card, instances_text
from durablenb.notebook.still.instance import (
    SinglePicture,
    picture_card,
    picture_text,
    single_picture_card,
    single_picture_text,
    status_card,
)
from durablenb.notebook.still.instance_card import instance_card, instance_card_text
from durablenb.notebook.still.networkx_graph import graph_card
from durablenb.notebook.still.outputs import output_card, output_text, outputs_card, outputs_text
from durablenb.notebook.still.progress import progress_card, progress_text
from durablenb.notebook.still.sequence import sequence_card, sequence_text
from durablenb.notebook.still.storyboard import storyboard_card, storyboard_text

SIZE_LIMIT = 500_000
"""Maximum characters of HTML for one object in a notebook."""

_LIMITS: dict[type, int] = {Outputs: 6_000_000, RichOutput: 16_000_000, InstanceCard: 6_000_000}
"""The same for objects that are mostly pictures of the user's."""

_CARDS: dict[type, Callable[[Any], str]] = {
    InstanceSnapshot: picture_card,
    EntitySnapshot: entity_card,
    HubView: hub_card,
    History: history_card,
    Log: log_card,
    Outputs: outputs_card,
    RichOutput: output_card,
    InstanceCard: instance_card,
    Findings: findings_card,
    Comparison: comparison_card,
    FitReport: fits_card,
    UpgradeReport: fits_card,
    SequenceDiagram: sequence_card,
    ProgressSnapshot: progress_card,
    SinglePicture: single_picture_card,
    Replay: storyboard_card,
    DurableOrchestrationStatus: status_card,
    InstanceList: instances_card,
    FailureDetails: failure_card,
    RetryOptions: retries_card,
    GraphView: graph_card,
    Card: plain_card,
}

_TEXTS: dict[type, Callable[[Any], str]] = {
    InstanceSnapshot: picture_text,
    EntitySnapshot: entity_text,
    HubView: hub_text,
    History: history_text,
    Log: log_text,
    Outputs: outputs_text,
    RichOutput: output_text,
    InstanceCard: instance_card_text,
    Findings: findings_text,
    Comparison: comparison_text,
    FitReport: fits_text,
    UpgradeReport: fits_text,
    SequenceDiagram: sequence_text,
    ProgressSnapshot: progress_text,
    SinglePicture: single_picture_text,
    Replay: storyboard_text,
    InstanceList: instances_text,
    FailureDetails: failure_text,
    RetryOptions: retries_text,
    GraphView: lambda view: view.text,
    Card: card_text,
}


def render_text(shown: object) -> str:
    """Return an object as text that is the same in every run, without times."""
    text = _TEXTS.get(type(shown), repr)
    return text(shown)


def render_html(shown: object) -> str | None:
    """Return an object as pictures and tables; None if it has none, or they would be too large."""
    draw = _CARDS.get(type(shown))
    html = None if draw is None else draw(shown)
    return None if html is None or len(html) > _LIMITS.get(type(shown), SIZE_LIMIT) else html
