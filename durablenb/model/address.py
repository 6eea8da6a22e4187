"""Addresses: the URLs under which a served hub is managed, as Azure's clients take them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

MANAGEMENT = "/runtime/webhooks/durabletask"
"""What the paths of the management API begin with."""

LOOPBACK = "/durabletask"
"""What they begin with for Azure's own clients, which can't send a key: it is a part of the path."""

BODY_LIMIT_HEADER = "x-body-limit"
"""In the answer to ``OPTIONS``: how many bytes a body may have."""

_PLACEHOLDER = "INSTANCEID"


@dataclass(frozen=True)
class Address:
    """Where a hub is served.

    Parameters
    ----------
    origin
        Scheme, host and port, and what a proxy puts in front of the path; no slash at the end.
    hub
        The hub's name, which stands in the URLs as in Azure's.
    key
        What lets a request in; empty where everybody is let in.
    """

    origin: str
    hub: str
    key: str = field(repr=False)

    @property
    def base(self) -> str:
        """The URL that those of the management API begin with."""
        return self.origin + MANAGEMENT

    @property
    def query(self) -> str:
        """What each of these URLs ends with: the hub, and the key."""
        required = {"taskHub": self.hub, "connection": "Storage"}
        return urlencode(required | ({"code": self.key} if self.key else {}))

    def management_urls(self, instance_id: str) -> dict[str, str]:
        """Return what an instance can be managed with, by Azure's names."""
        one, query = f"{self.base}/instances/{quote(instance_id, safe='')}", self.query
        return {
            "id": instance_id,
            "statusQueryGetUri": f"{one}?{query}",
            "sendEventPostUri": f"{one}/raiseEvent/{{eventName}}?{query}",
            "terminatePostUri": f"{one}/terminate?reason={{text}}&{query}",
            "rewindPostUri": f"{one}/rewind?reason={{text}}&{query}",
            "purgeHistoryDeleteUri": f"{one}?{query}",
            "restartPostUri": f"{one}/restart?{query}",
            "suspendPostUri": f"{one}/suspend?reason={{text}}&{query}",
            "resumePostUri": f"{one}/resume?reason={{text}}&{query}",
        }

    def binding(self) -> str:
        """Return the JSON that Azure's clients are made from, with the key in it."""
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
