"""Durable Functions in your notebook: orchestrations in plain Python, journaled in one DuckDB file."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from durablenb.checks.findings import Finding, Findings
from durablenb.core.activity_context import ActivityContext, current_activity
from durablenb.core.app_model import Blueprint, DFApp, Entity, Orchestrator
from durablenb.core.calls import DurableHttpResponse
from durablenb.core.context import DurableOrchestrationContext
from durablenb.core.entity import DurableEntityContext
from durablenb.core.locking import CriticalSection
from durablenb.engine.clocks import SystemClock, VirtualClock
from durablenb.hub.async_client import DurableOrchestrationClient
from durablenb.hub.check import check
from durablenb.hub.client import SyncDurableOrchestrationClient
from durablenb.hub.entity import EntityHandle
from durablenb.hub.handles import Handles
from durablenb.hub.histories import compare, import_history, open_history
from durablenb.hub.instance import Handle
from durablenb.hub.task_hub import TaskHub
from durablenb.model.activities import StreamPiece
from durablenb.model.budgets import Budget
from durablenb.model.caching import CachePolicy
from durablenb.model.display import options
from durablenb.model.entities import CleanEntityStorageResult, EntityId, EntityMetadata, EntityStateResponse
from durablenb.model.errors import (
    ActivityCancelledError,
    BudgetExceededError,
    DurableError,
    ExecutorUnavailableError,
    FunctionNotFoundError,
    HubLockedError,
    HubUnreachableError,
    InstanceExistsError,
    InstanceNotFoundError,
    InstanceStateError,
    LockingRulesViolationError,
    NonDeterminismError,
    NonRetriableError,
    NotSerializableError,
    OrchestrationCanceledError,
    OrchestrationLimitError,
    OrchestrationTerminatedError,
    StoreError,
    TaskCanceledError,
    TaskFailedError,
    TypeNotRegisteredError,
    WaitTimeoutError,
    WorkerLostError,
)
from durablenb.model.failures import FailureDetails
from durablenb.model.queues import Queue
from durablenb.model.retries import RetryOptions
from durablenb.model.status import DurableOrchestrationStatus, OrchestrationRuntimeStatus, PurgeHistoryResult
from durablenb.model.version import VERSION
from durablenb.values.pickles import Pickled
from durablenb.values.pictures import Picture
from durablenb.values.raw_value import RawValue

__all__ = [
    "ActivityCancelledError",
    "ActivityContext",
    "Blueprint",
    "Budget",
    "BudgetExceededError",
    "CachePolicy",
    "CleanEntityStorageResult",
    "CriticalSection",
    "DFApp",
    "DurableEntityContext",
    "DurableError",
    "DurableHttpResponse",
    "DurableOrchestrationClient",
    "DurableOrchestrationContext",
    "DurableOrchestrationStatus",
    "Entity",
    "EntityHandle",
    "EntityId",
    "EntityMetadata",
    "EntityStateResponse",
    "ExecutorUnavailableError",
    "FailureDetails",
    "Finding",
    "Findings",
    "FunctionNotFoundError",
    "Handle",
    "Handles",
    "HubLockedError",
    "HubUnreachableError",
    "InstanceExistsError",
    "InstanceNotFoundError",
    "InstanceStateError",
    "LockingRulesViolationError",
    "NonDeterminismError",
    "NonRetriableError",
    "NotSerializableError",
    "OrchestrationCanceledError",
    "OrchestrationLimitError",
    "OrchestrationRuntimeStatus",
    "OrchestrationTerminatedError",
    "Orchestrator",
    "Pickled",
    "Picture",
    "PurgeHistoryResult",
    "Queue",
    "RawValue",
    "RetryOptions",
    "StoreError",
    "StreamPiece",
    "SyncDurableOrchestrationClient",
    "SystemClock",
    "TaskCanceledError",
    "TaskFailedError",
    "TaskHub",
    "TypeNotRegisteredError",
    "VirtualClock",
    "WaitTimeoutError",
    "WorkerLostError",
    "check",
    "compare",
    "current_activity",
    "import_history",
    "open_history",
    "options",
    "to_durabletask",
]

__version__ = VERSION

if TYPE_CHECKING:
    from tqdm.auto import tqdm as tqdm

    from durablenb.azure.durabletask.registration import to_durabletask
    from durablenb.cluster.dask_executor import DaskExecutor as DaskExecutor
    from durablenb.cluster.ray_executor import RayExecutor as RayExecutor

    Sealed = RawValue
else:

    def __getattr__(name: str) -> Any:
        """Import what few need; return `RawValue` under its former name, with a warning."""
        if name == "lab":
            return import_module("durablenb.lab")  # few need it
        if name == "to_durabletask":
            return _to_durabletask()
        if name == "tqdm":
            from durablenb.engine.capture.progress_bars import tqdm_class

            return tqdm_class()
        if name == "DaskExecutor":
            try:
                from durablenb.cluster.dask_executor import DaskExecutor  # Dask takes its time to import
            except ModuleNotFoundError as error:
                raise ImportError(
                    f"durablenb.DaskExecutor needs Dask ({error}). Install it: pip install 'durablenb[dask]'."
                ) from error
            return DaskExecutor
        if name == "RayExecutor":
            try:
                from durablenb.cluster.ray_executor import RayExecutor  # and so does Ray
            except ModuleNotFoundError as error:
                raise ImportError(
                    f"durablenb.RayExecutor needs Ray ({error}). Install it: pip install 'durablenb[ray]'."
                ) from error
            return RayExecutor
        if name == "Sealed":
            import warnings

            warnings.warn(
                "durablenb.Sealed has a new name: use durablenb.RawValue.", DeprecationWarning, stacklevel=2
            )
            return RawValue
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _to_durabletask() -> Any:
    try:
        from durablenb.azure.durabletask.registration import to_durabletask
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("durabletask", "grpc"):
            raise
        raise DurableError(
            "to_durabletask needs the durabletask SDK: pip install 'durablenb[durabletask]'."
        ) from None
    return to_durabletask


def load_ipython_extension(shell: Any) -> None:
    """Give IPython the magics ``%durable`` and ``%%durable_sql``; ``%load_ext durablenb`` calls it."""
    from durablenb.notebook.magics import load  # IPython takes its time to import

    load(shell)
