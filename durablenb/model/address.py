"""Addresses: the management URLs of a served hub, in the form that Azure's clients expect."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from durablenb.model.errors import DurableError

MANAGEMENT = "/runtime/webhooks/durabletask"
"""The common prefix of the management API's paths."""

LOOPBACK = "/durabletask"
"""The prefix for Azure's own clients, which can't send a key: the key is a part of the path."""

BODY_LIMIT_HEADER = "x-body-limit"
"""The header with the limit of a body in bytes, in responses to ``OPTIONS``."""

_PLACEHOLDER = "INSTANCEID"


@dataclass(frozen=True)
class Address:
    """The address of a served hub.

    Parameters
    ----------
    origin
        Scheme, host, port, and the path prefix of a proxy, without a slash at the end.
    hub
        The hub's name, which is in the URLs as in Azure's.
    key
        The key that requests need; empty if they need none.
    """

    origin: str
    hub: str
    key: str = field(repr=False)

    @property
    def base(self) -> str:
        """The common prefix of the management API's URLs."""
        return self.origin + MANAGEMENT

    @property
    def query(self) -> str:
        """The common query of these URLs: the hub, and the key."""
        required = {"taskHub": self.hub, "connection": "Storage"}
        return urlencode(required | ({"code": self.key} if self.key else {}))

    def management_urls(self, instance_id: str) -> dict[str, str]:
        """Return the management URLs of an instance, by Azure's names."""
        url, query = f"{self.base}/instances/{quote(instance_id, safe='')}", self.query
        return {
            "id": instance_id,
            "statusQueryGetUri": f"{url}?{query}",
            "sendEventPostUri": f"{url}/raiseEvent/{{eventName}}?{query}",
            "terminatePostUri": f"{url}/terminate?reason={{text}}&{query}",
            "rewindPostUri": f"{url}/rewind?reason={{text}}&{query}",
            "purgeHistoryDeleteUri": f"{url}?{query}",
            "restartPostUri": f"{url}/restart?{query}",
            "suspendPostUri": f"{url}/suspend?reason={{text}}&{query}",
            "resumePostUri": f"{url}/resume?reason={{text}}&{query}",
        }

    def binding(self) -> str:
        """Return the JSON from which Azure's clients are created, including the key."""
        start = f"{self.base}/orchestrators/{{functionName}}[/{{instanceId}}]?{self.query}"
        key = f"{quote(self.key, safe='')}/" if self.key else ""
        return json.dumps(
            {
                "taskHubName": self.hub,
                "creationUrls": {
                    "createNewInstancePostUri": start,
                    "createAndWaitOnNewInstancePostUri": (
                        f"{start}&timeout={{timeoutInSeconds}}&pollingInterval={{intervalInSeconds}}"
                    ),
                },
                "managementUrls": self.management_urls(_PLACEHOLDER),
                "baseUrl": self.base,
                "requiredQueryStringParameters": self.query,
                "rpcBaseUrl": f"{self.origin}{LOOPBACK}/{key}",
            }
        )


def served_at(address: Address | None) -> Address:
    """Return the address of a hub.

    Raises
    ------
    DurableError
        If it has none.
    """
    if address is None:
        raise DurableError("The hub has no URLs, since it isn't served. Serve it first: hub.serve().")
    return address
