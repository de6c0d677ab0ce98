"""Walks through lists: who reads a list page by page sees each record once, however it is written to meanwhile.

The first page that is read of a list, if it is full, keeps the ids of all pages, in order, in the bucket. The pages
behind it take their ids from there, as long as nobody waits over an hour between two of them.

    ids of page 1 ... ids of the last page, 0, 0, 0, ids that came since ...     eight bytes each, the least first

Clients take a page that is not full for the last one. So in the place of records that are gone by the time that their
page is read stand the last of the walk, which are not shown again. A page behind the end shows what came into the list
since then, and is a part of the walk from then on. Of a list whose first page was not full nothing is kept: who asks
for the second all the same sees that of the list as it is then.

A walk is the caller's own, by its name, and the same walk begun again takes the place of the one before. So two who
use one token and ask for the very same pages at once share a walk: that of whoever asked for page 1 last.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fluvial import blobs, clock

KEPT_MILLISECONDS = clock.HOUR
BYTES = 8
NOTHING = 0  # stands where the last page of the list has no more ids

Ids: TypeAlias = "array[int]"


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk in the bucket; `total` is the number of records in the list when it began, `used` the time of its use.

    `ids` are those of a page, or all, with NOTHING where a page is not full.
    """

    account: int
    name: str
    per_page: int
    total: int
    used: int
    etag: str
    ids: Ids


def begin(account_id: int, name: str, ids: Sequence[int], *, per_page: int, now: clock.Now = clock.now) -> None:
    """Keeps the ids of a list, in its order."""
    _put(Walk(account_id, name, per_page, len(ids), now(), "", array("q", ids)), etag=None)


def page(account_id: int, name: str, number: int, *, per_page: int, now: clock.Now = clock.now) -> Walk | None:
    """A walk with the ids of one of its pages, none behind its end; None where there is no such walk (any more)."""
    first = (number - 1) * per_page * BYTES
    walk = _read(account_id, name, first, first + per_page * BYTES - 1)
    if walk is None or walk.per_page != per_page:
        return None
    unused = now() - walk.used
    if unused > KEPT_MILLISECONDS:
        return None
    if unused > KEPT_MILLISECONDS / 2 and (all_of_it := whole(account_id, name)) is not None:
        rewrite(all_of_it, all_of_it.ids, now=now)
    return walk


def whole(account_id: int, name: str) -> Walk | None:
    """A walk with all its ids."""
    return _read(account_id, name, 0, None)


def extended(walk: Walk, ids: Iterable[int]) -> Ids:
    """The ids of the whole walk with others behind them, from a new page on."""
    known = walk.ids[:]
    known.extend([NOTHING] * (-len(known) % walk.per_page))
    known.extend(ids)
    return known


def filled(walk: Walk, number: int, gone: Collection[int], there: Callable[[list[int]], Collection[int]]) -> Ids:
    """The ids of the whole walk with its last ones in the place of those that are gone from a page.

    `there` tells which of some ids are not gone themselves. Where none is left behind the page, it is the last one.
    """
    start, ids = (number - 1) * walk.per_page, walk.ids[:]
    end = start + walk.per_page
    holes = [place for place in range(start, min(end, len(ids))) if ids[place] in gone]
    while holes and len(ids) > end:
        last = list(ids[max(end, len(ids) - len(holes)) :])
        del ids[-len(last) :]
        left = there([each for each in last if each != NOTHING])
        for each in last:
            if each in left:
                ids[holes.pop(0)] = each
    for place in holes:
        ids[place] = NOTHING
    while ids and ids[-1] == NOTHING:
        ids.pop()
    return ids


def rewrite(walk: Walk, ids: Ids, *, now: clock.Now = clock.now) -> bool:
    """Gives the walk these ids; False where another reader gave it others first."""
    try:
        _put(Walk(walk.account, walk.name, walk.per_page, walk.total, now(), "", ids), etag=walk.etag)
    except blobs.ReplacedError:
        return False
    return True


def _read(account_id: int, name: str, first: int, last: int | None) -> Walk | None:
    found = blobs.read(_key(account_id, name), first=first, last=last)
    if found is None:
        return None
    ids = array("q")
    ids.frombytes(b"".join(found.chunks))
    if sys.byteorder == "big":
        ids.byteswap()
    per_page, total, used = (int(found.said[each]) for each in ("per_page", "total", "used"))
    return Walk(account_id, name, per_page, total, used, found.etag, ids)


def _put(walk: Walk, *, etag: str | None) -> None:
    packed = walk.ids[:]
    if sys.byteorder == "big":
        packed.byteswap()
    said = {"per_page": str(walk.per_page), "total": str(walk.total), "used": str(walk.used)}
    blobs.put(_key(walk.account, walk.name), packed.tobytes(), said=said, etag=etag)


def _key(account_id: int, name: str) -> str:
    return blobs.walk(account_id, hashlib.sha256(name.encode()).hexdigest())
