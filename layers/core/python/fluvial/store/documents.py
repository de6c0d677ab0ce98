"""Where the bytes of documents are, and upload sessions of documents, in the table."""

from __future__ import annotations

import json
from decimal import Decimal

from fluvial import clock, document_uploads, documents, exact_json
from fluvial.store import keys, table
from fluvial.store.attributes import Item

# An upload session stays readable a while after its end, so that a late call gets a clear answer.
UPLOAD_KEPT_SECONDS = clock.DAY // clock.SECOND


def placing(content: documents.Content, before: documents.Content | None) -> table.Action:
    """The action that says where a document's bytes are, for the transaction of its record.

    Fails where they are no longer where they were `before`, or were nowhere.
    """
    nobody_placed_others = table.IS_NEW if before is None else "#key = :before"
    return table.Action(
        "Put",
        _content_key(content.account, content.document),
        item={
            "type": "document_content",
            "id": content.document,
            "account": content.account,
            "key": content.key,
            "size": content.size,
        },
        condition=nobody_placed_others,
        values={} if before is None else {":before": before.key},
        names={} if before is None else {"#key": "key"},
    )


def content(account_id: int, document_id: int) -> documents.Content | None:
    """Where the bytes of a document are; None of one that has none."""
    item = table.get(_content_key(account_id, document_id))
    return None if item is None else documents.Content(item["account"], item["id"], item["key"], item["size"])


def forget(account_id: int, document_id: int) -> None:
    """Removes what is known of the bytes of a document that is gone."""
    table.write(table.delete(_content_key(account_id, document_id), None))


def create_upload(upload: document_uploads.Upload, guard: table.Action | None) -> None:
    session = table.put(
        _upload_key(upload.account, upload.id),
        {
            "type": "document_upload",
            "id": upload.id,
            "account": upload.account,
            "incoming": upload.incoming,
            "filename": upload.filename,
            "content_type": upload.content_type,
            "size": upload.size,
            "said": exact_json.dumps(upload.said),
            "created": upload.created,
            "ends": upload.expires,
            "expires": upload.expires // clock.SECOND + UPLOAD_KEPT_SECONDS,
        },
    )
    table.transact([session], guard)


def get_upload(account_id: int, upload_id: int) -> document_uploads.Upload | None:
    item = table.get(_upload_key(account_id, upload_id))
    return _from_item(item) if item else None


def upload_ending(upload: document_uploads.Upload) -> table.Action:
    """The action that ends an upload session, for the transaction of its document; fails where it has ended."""
    return table.delete(_upload_key(upload.account, upload.id))


def _content_key(account_id: int, document_id: int) -> table.Key:
    return keys.listed(account_id, "documents"), keys.number(document_id)


def _upload_key(account_id: int, upload_id: int) -> table.Key:
    return keys.listed(account_id, "document_uploads"), keys.number(upload_id)


def _from_item(item: Item) -> document_uploads.Upload:
    return document_uploads.Upload(
        id=item["id"],
        account=item["account"],
        incoming=item["incoming"],
        filename=item["filename"],
        content_type=item["content_type"],
        size=item["size"],
        said=json.loads(item["said"], parse_float=Decimal),
        created=item["created"],
        expires=item["ends"],
    )
