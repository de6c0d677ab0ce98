"""Request counters: one item per key, API, route class and hour, with a count for each window in it and their sum.

    01:00  used 140   w0 60  w1 60  w7 20        60 requests a minute: w7 is 01:07
    02:00  used 900   w0 900                     1,000 requests an hour

So a request is one write whatever its window is, and statistics of use read hours, however short the windows are.
They stand in the account's partition of counters, in the order of time. So one partition takes one write per request of
an account: DynamoDB gives it 1,000 a second, and the gateway lets through at most half of that.
"""

from __future__ import annotations

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from fluvial import clock
from fluvial.caller import Caller
from fluvial.store import keys, table, usage

HOUR_SECONDS = clock.HOUR // clock.SECOND

# What DynamoDB says when it has no room for a write; it says 5xx when it is out of order.
TOO_BUSY = (
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
)


class UnreachableError(Exception):
    """The counter could not be reached: whether the request was counted is not known."""


def count(caller: Caller, *, api: str, route_class: str, start: int, window_seconds: int, limit: int) -> int | None:
    """Counts one request in the window that begins at `start` (epoch seconds).

    Returns how many that makes, or None where `limit` is reached. UnreachableError where the table does not answer; a
    refusal that is a defect of ours passes as it is. A count whose answer was lost is tried again, so it may count
    twice, and never lets more pass than the limit.
    """
    hour = start - start % HOUR_SECONDS
    window = f"w{(start - hour) // window_seconds}"
    nothing_counted_yet = "attribute_not_exists(#window)"
    room_is_left = "#window < :limit"
    try:
        item = table.write(
            table.update(
                (keys.listed(caller.account, "usage"), keys.window(hour, caller.key, api, route_class)),
                "SET #type = :type, account = :account, expires = :expires ADD used :one, #window :one",
                f"{nothing_counted_yet} OR {room_is_left}",
                {"#type": "type", "#window": window},
                type="window",
                account=caller.account,
                expires=hour + HOUR_SECONDS + usage.KEPT_SECONDS,
                one=1,
                limit=limit,
            )
        )
    except table.ConditionError:
        return None
    except (ConnectionError, HTTPClientError) as error:
        raise UnreachableError(str(error)) from error
    except ClientError as error:
        if not _is_an_outage(error):
            raise
        raise UnreachableError(str(error)) from error
    used: int = item[window]
    return used


def _is_an_outage(error: ClientError) -> bool:
    """Not so for a permission or a table that is missing: that must be seen, not let through."""
    status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status >= 500 or error.response["Error"]["Code"] in TOO_BUSY
