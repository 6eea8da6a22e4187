"""Which object shows as what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from durablenb.analysis.compare import Comparison
from durablenb.analysis.entities import EntitySnapshot
from durablenb.analysis.history import History
from durablenb.analysis.instances import InstanceList
from durablenb.analysis.logs import Log
from durablenb.analysis.progress import ProgressSnapshot
from durablenb.analysis.replays.explorer import ExplorerSource
from durablenb.analysis.replays.fit_report import FitReport, UpgradeReport
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.sequence import SequenceDiagram
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.checks.findings import Findings
from durablenb.model.display import Card, HubView
from durablenb.model.failures import FailureDetails
from durablenb.model.retries import RetryOptions
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook import cards, entity, logs, texts
from durablenb.notebook.account import account_of
from durablenb.notebook.compare import comparison_card, comparison_text
from durablenb.notebook.files import save
from durablenb.notebook.findings import findings_card, findings_text
from durablenb.notebook.fits import fits_card, fits_text
from durablenb.notebook.plots import plot
from durablenb.notebook.progress import progress_card, progress_text
from durablenb.notebook.sequence import sequence_card, sequence_text
from durablenb.notebook.single import Single, single_card, single_text
from durablenb.notebook.storyboard import storyboard_card, storyboard_text

if TYPE_CHECKING:
    from durablenb.notebook.live.explorer import LiveExplorer

__all__ = ["SIZE_LIMIT", "account_of", "explorer", "html_of", "plot", "save", "text_of"]

SIZE_LIMIT = 500_000
"""Characters of HTML that an object may take in a notebook."""

_CARDS: dict[type, Callable[[Any], str]] = {
    InstanceSnapshot: cards.picture_card,
    EntitySnapshot: entity.entity_card,
    HubView: cards.hub_card,
    History: cards.history_card,
    Log: logs.log_card,
    Findings: findings_card,
    Comparison: comparison_card,
    FitReport: fits_card,
    UpgradeReport: fits_card,
    SequenceDiagram: sequence_card,
    ProgressSnapshot: progress_card,
    Single: single_card,
    Replay: storyboard_card,
    DurableOrchestrationStatus: cards.status_card,
    InstanceList: cards.instances_card,
    FailureDetails: cards.failure_card,
    RetryOptions: cards.retries_card,
    Card: cards.plain_card,
}

_TEXTS: dict[type, Callable[[Any], str]] = {
    InstanceSnapshot: texts.picture_text,
    EntitySnapshot: entity.entity_text,
    HubView: texts.hub_text,
    History: texts.history_text,
    Log: logs.log_text,
    Findings: findings_text,
    Comparison: comparison_text,
    FitReport: fits_text,
    UpgradeReport: fits_text,
    SequenceDiagram: sequence_text,
    ProgressSnapshot: progress_text,
    Single: single_text,
    Replay: storyboard_text,
    InstanceList: texts.instances_text,
    FailureDetails: texts.failure_text,
    RetryOptions: texts.retries_text,
    Card: texts.card_text,
}


def text_of(shown: object) -> str:
    """Return an object as text that is the same in every run."""
    text = _TEXTS.get(type(shown), repr)
    return text(shown)


def html_of(shown: object) -> str | None:
    """Return an object as pictures and tables, or None if it has none, or they would be too large."""
    draw = _CARDS.get(type(shown))
    html = None if draw is None else draw(shown)
    return None if html is None or len(html) > SIZE_LIMIT else html


def explorer(sight: ExplorerSource, execution: int | None) -> LiveExplorer:
    """Return a live view that goes through the replays of an instance."""
    from durablenb.notebook.live.explorer import LiveExplorer  # widgets take their time to import

    return LiveExplorer(sight, execution)
