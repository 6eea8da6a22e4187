"""The reference page has every route as it is; `python -m tests.server.test_reference` prints them."""

from pathlib import Path

from durablenb.server import connections, guard, requests
from durablenb.server.openapi import GUARD
from durablenb.server.operations import OPERATIONS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "http.md"


def section(operation):
    """Return the section of an operation."""
    lines = [
        f"### `{operation.method} {operation.path.replace(':path', '')}`",
        "",
        operation.text,
        "",
        "| | |",
        "|---|---|",
    ]
    for one in operation.parameters:
        where = " (header)" if one.is_header else ""
        lines.append(f"| `{one.name}`{where} | {one.text} |")
    lines += [f"| **{code}** | {text} |" for code, text in sorted(operation.responses.items())]
    return "\n".join(lines) + "\n"


def codes():
    """Return the rows of the status codes that any request may get."""
    return "".join(f"| **{code}** | {text} |\n" for code, text in sorted(GUARD.items()))


def test_the_page_has_each_operation_as_it_is_and_no_other():
    page = PAGE.read_text(encoding="utf-8")
    for operation in OPERATIONS:
        assert section(operation) in page, operation.name
    assert page.count("\n### `") == len(OPERATIONS)


def test_the_page_has_the_codes_of_every_request():
    assert codes() in PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_limits():
    page = PAGE.read_text(encoding="utf-8")
    for limit in (
        f"{requests.BODY_LIMIT:,} bytes",
        f"{requests.FUNCTION_LIMIT:,}",
        f"{requests.BODY_SECONDS:g} seconds",
        f"{guard.HEAD_LIMIT:,} bytes",
        f"{guard.TARGET_LIMIT:,} bytes",
        f"{requests.PAGE_LIMIT:,} items",
        f"{connections.CONNECTIONS:,} connections",
        f"within {connections.HEAD_SECONDS:g} seconds",
        f"{connections.WAITING:,} connections",
    ):
        assert limit in page, limit


if __name__ == "__main__":
    print(codes(), *map(section, OPERATIONS), sep="\n")
