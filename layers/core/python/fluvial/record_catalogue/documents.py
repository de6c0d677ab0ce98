"""Files that belong to records."""

from __future__ import annotations

from fluvial.record_catalogue.shapes import boolean, date, flag, integer, many, model, moment, one, one_of_any, string
from fluvial.record_catalogue.shapes import text as long_text

MODEL_DOCUMENT = model(
    "model_document",
    "Files that belong to records.",
    string("document_file_name", "Name of the file."),
    string("original_file_name", "Name of the file as it was sent.", writable=False),
    string("document_content_type", "Kind of the content, such as application/pdf."),
    integer("document_file_size", "Size in bytes.", writable=False),
    moment("document_updated_at", "When the content was last sent.", writable=False),
    string("document_description", "What the file is."),
    string("document_type", "file, text or link."),
    long_text("document_text", "The content of a text."),
    string("doc_label", "Where the file stands among those of the record."),
    string("storage_type", "Where the content is: file."),
    string("upload_state", "Whether the content is there.", writable=False),
    string("documentable_type", "Class of the record, such as GrantRequest."),
    one_of_any("documentable_id", "documentable_type", "Record to which the file belongs.", aliases=("owner_model",)),
    one("model_document_type_id", "model_document_type", "Kind of document."),
    one("model_document_sub_type_id", "model_document_sub_type", "Sort of its kind."),
    integer("model_document_master_id", "Number that all versions of a file have.", writable=False),
    integer("seq_number", "Number of the version, from 1.", writable=False),
    date("doc_type_date", "Day that the document is of."),
    integer("doc_type_year", "Year that the document is of."),
    string("doc_type_custom", "What else the document is of."),
    string("external_id", "Number in another system."),
    boolean("locked_manually", "Whether someone locked it."),
    label=("document_file_name",),
)

MODEL_DOCUMENT_TYPE = model(
    "model_document_type",
    "Kinds of documents.",
    string("name", "Name of the kind.", required=True),
    string("abbreviation", "Name in short."),
    string("model_type", "Class of the records that have such documents, such as GrantRequest."),
    string("doc_label", "Where such documents stand."),
    boolean("required", "Whether a record must have one."),
    string("required_state", "State from which a record must have one."),
    flag("retired", "Whether it is used no more."),
    boolean("upload_only_once", "Whether a record has one at most."),
    string("sub_type_config", "What its sorts are by."),
    one("model_theme_id", "model_theme", "Theme of the records."),
    many("model_document_sub_types", "model_document_sub_type", "model_document_type_id", "Its sorts."),
    many("documents", "model_document", "model_document_type_id", "Documents of this kind."),
)

MODEL_DOCUMENT_SUB_TYPE = model(
    "model_document_sub_type",
    "Sorts of a kind of documents.",
    one("model_document_type_id", "model_document_type", "The kind."),
    string("name", "Name of the sort."),
    string("value", "What the sort is called in lists."),
    integer("value_order", "Place in lists."),
    flag("retired", "Whether it is used no more."),
    label=("value",),
)

CLASSES = (MODEL_DOCUMENT, MODEL_DOCUMENT_TYPE, MODEL_DOCUMENT_SUB_TYPE)
