"""Projects and what is in them, which the platform keeps elsewhere, as records."""

from __future__ import annotations

from fluvial.record_catalogue.shapes import integer, many, model, moment, one, string, text

PROJECT = model(
    "project",
    "Projects, to which data, analyses and pages belong.",
    string("name", "Name of the project.", required=True),
    string("slug", "Name in addresses, which no other project has."),
    text("description", "What the project is for."),
    string("industry", "Industry of the project."),
    string("status", "draft, or published once it has a site.", writable=False),
    many("data_sources", "data_source", "project_id", "Its data."),
    many("analyses", "analysis", "project_id", "Its analyses.", aliases=("analysis_ids",)),
    many("pages", "page", "project_id", "Pages of its site."),
    platform=True,
)

DATA_SOURCE = model(
    "data_source",
    "Tables of data, each imported of a file.",
    string("name", "Name of the data."),
    text("description", "What the data are."),
    one("project_id", "project", "Project to which they belong.", writable=False),
    string("filename", "Name of the file.", writable=False),
    integer("size", "Size of the file in bytes.", writable=False),
    string("status", "processing, ready or failed.", writable=False),
    integer("rows", "Rows that were loaded.", writable=False),
    integer("rejected_rows", "Rows that could not be loaded.", writable=False),
    integer("version", "Number of the current version.", writable=False),
    text("failure", "Why the import failed.", writable=False),
    many("analyses", "analysis", "data_source_id", "Analyses of it.", aliases=("analysis_ids",)),
    platform=True,
)

ANALYSIS = model(
    "analysis",
    "Questions to a table of data, with the last answer.",
    string("name", "Name of the analysis.", required=True),
    text("description", "What is asked."),
    one("project_id", "project", "Project to which it belongs.", required=True),
    one("data_source_id", "data_source", "Data that are asked.", required=True),
    text("query", "The question, as JSON."),
    string("status", "created, queued, running, completed or failed.", writable=False),
    integer("rows", "Rows of the answer.", writable=False),
    moment("ran_at", "When it was last answered.", writable=False),
    text("failure", "Why the last run failed.", writable=False),
    platform=True,
)

PAGE = model(
    "page",
    "Pages of the site of a project.",
    string("title", "Title of the page.", required=True),
    string("slug", "Name in the address of the page."),
    string("path", "Address of the page in the site.", writable=False),
    string("status", "draft, or published with the next version of the site.", options=("draft", "published")),
    integer("order", "Place among its siblings, from 0."),
    string("seo_title", "Title for search engines."),
    string("seo_description", "Description for search engines."),
    one("project_id", "project", "Project to which it belongs, which stays the same.", required=True),
    one("parent_id", "page", "Page below which it stands."),
    many("children_pages", "page", "parent_id", "Pages below it."),
    label=("title",),
    platform=True,
)

CLASSES = (PROJECT, DATA_SOURCE, ANALYSIS, PAGE)
