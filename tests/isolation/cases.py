"""How to make a request of each operation that succeeds: its query and body, with `<kind>` where an id belongs.

What has a pattern in the document (`^proj_…`) names its kind by itself: the path of most operations needs no line here.
A tenant (`tenants`) knows an id of each kind: by the prefix of its spelling, or by a word, such as `component`.
"""

from __future__ import annotations

from typing import Any

FILE = b"city,n\nBonn,1\n"
ANALYSIS = {"aggregates": [{"function": "count", "as": "n"}]}
DIVIDER = {"type": "divider"}
SECTION = {"type": "text", "content": {"title": "Mine"}}

SECTIONS = {"cursor": "<section_cursor>"}

# By API and operation: query, body, and `path` for parameters without a pattern of an id.
CASES: dict[str, dict[str, dict[str, Any]]] = {
    "reference": {
        "get_status": {},
        "list_projects": {},
        "create_project": {"body": {"name": "New"}},
        "get_project": {},
        "update_project": {"body": {"name": "Renamed"}},
        "delete_project": {},
        "upload_data": {"form": {"project_id": "<proj>"}},
        "open_upload": {"body": {"project_id": "<proj>", "filename": "data.csv", "size": 8}},
        "list_upload_parts": {},
        "complete_upload": {},
        "get_data": {},
        "get_profile": {"query": {"version": "<data_version>"}},
        "update_data": {"body": {"name": "Renamed"}},
        "delete_data": {},
        "list_versions": {},
        "add_version": {"form": {"mode": "append"}},
        "add_uploaded_version": {"body": {"upload_id": "<upl>", "mode": "append"}},
        "get_version": {"path": {"number": "<data_version>"}},
        "list_version_rows": {"path": {"number": "<data_version>"}},
        "list_version_rejects": {"path": {"number": "<data_version>"}},
        "undo": {"body": {"version": "<data_version>"}},
        "reparse": {"body": {"options": {"header": True}}},
        "replay_rejects": {"body": {"version": "<data_version>", "rows": [{"city": "Bonn", "n": 1}]}},
        "list_data": {},
        "list_rows": {},
        "list_rejects": {"query": {"version": "<data_version>"}},
        "download_rejects": {"query": {"version": "<data_version>"}},
        "create_comparison": {"body": {"from_version": "<data_version>", "to_version": "<data_version>"}},
        "get_comparison": {},
        "create_export": {"body": {"format": "csv", "version": "<data_version>"}},
        "get_export": {},
        "list_endpoints": {},
        "create_endpoint": {"body": {"url": "http://127.0.0.1:9/", "events": ["*"]}},
        "get_endpoint": {},
        "update_endpoint": {"body": {"enabled": False}},
        "delete_endpoint": {},
        "list_deliveries": {},
        "list_keys": {},
        "create_key": {"body": {"name": "New", "user_id": "<user>", "project_id": "<proj>"}},
        "roll_key": {"body": {}},
        "revoke_key": {},
        "list_users": {},
        "invite_user": {"body": {"email": "new@example.com", "role": "viewer"}},
        "get_current_user": {},
        "update_current_user": {"body": {"name": "Renamed"}},
        "change_role": {"body": {"role": "admin"}},
        "remove_user": {},
        "list_events": {"query": {"since": "<evt>"}},
        "get_job": {},
        "get_usage": {"query": {"start_date": "<today>", "end_date": "<today>"}},
    },
    "fluxjiva": {
        "list_projects": {},
        "create_project": {"body": {"name": "New"}},
        "get_project": {},
        "update_project": {"body": {"name": "Renamed"}},
        "delete_project": {},
        "list_data_sources": {},
        "upload_data_source": {"form": {"name": "New"}},
        "open_upload": {"body": {"filename": "data.csv", "size": 8}},
        "complete_upload": {},
        "get_data_source": {},
        "rename_data_source": {"body": {"name": "Renamed"}},
        "delete_data_source": {},
        "list_analyses": {},
        "create_analysis": {"body": {"name": "New", "data_source_id": "<ds>", "query": ANALYSIS}},
        "get_analysis": {},
        "update_analysis": {"body": {"name": "Renamed"}},
        "delete_analysis": {},
        "run_analysis": {},
        "get_result": {},
    },
    "codefluss": {
        "list_projects": {"query": {"cursor": "<project_cursor>"}},
        "create_project": {"body": {"name": "New"}},
        "get_project": {},
        "update_project": {"body": {"name": "Renamed"}},
        "delete_project": {},
        "list_pages": {"query": {"cursor": "<child_cursor>", "parentId": "<page>"}},
        "create_page": {"body": {"title": "New", "parentId": "<page>"}},
        "get_page": {},
        "update_page": {"body": {"title": "Renamed", "parentId": "<other_page>"}},
        "delete_page": {"query": {"recursive": "true"}},
        "move_page": {"body": {"parentId": "<other_page>"}},
        "list_sections": {"query": SECTIONS},
        "create_section": {"body": SECTION},
        "list_sections_in_the_editor": {"query": {**SECTIONS, "pageId": "<page>"}},
        "create_section_in_the_editor": {"body": {**SECTION, "pageId": "<page>"}},
        "reorder_sections": {"body": {"sectionIds": ["<sec>"]}},
        "get_section_at_editor": {},
        "get_section_at_sections": {},
        "update_section_at_editor": {"body": {"name": "Renamed"}},
        "update_section_at_sections": {"body": {"name": "Renamed"}},
        "delete_section_at_editor": {},
        "delete_section_at_sections": {},
        "move_section": {"body": {"pageId": "<other_page>"}},
        "add_component": {"body": {"component": DIVIDER, "parentId": "<component>"}},
        "replace_component": {"path": {"component_id": "<component>"}, "body": DIVIDER},
        "remove_component": {"path": {"component_id": "<component>"}},
        "move_component": {"path": {"component_id": "<other_component>"}, "body": {"parentId": "<component>"}},
        "publish": {"body": {}},
        "list_versions": {"query": {"cursor": "<version_cursor>"}},
        "get_version": {"path": {"version": "<version>"}},
        "compare_versions": {"path": {"version": "<version>"}, "query": {"to": "<version>"}},
        "roll_back": {"path": {"version": "<version>"}},
        "preview_version": {"path": {"version": "<version>"}},
        "open_preview": {"path": {"token": "<preview>"}},
        "open_file": {"path": {"token": "<preview>", "path": "index.html"}},
    },
}

# Open to all, as it is meant: whether the API works, and what somebody gave away a link to.
OPEN = ("reference get_status", "codefluss open_preview", "codefluss open_file")

# Positions of lists. What follows a position is the caller's own, wherever it is: there need not be a thing at it.
POSITIONS = {
    ("reference list_events", "since"),
    ("codefluss list_projects", "cursor"),
    ("codefluss list_versions", "cursor"),
}

# What is not there is told otherwise than by a 404: as a place where nothing can be put, as a position that is gone,
# as ids that are not those of the page's sections.
NOT_A_404 = {
    ("codefluss list_pages", "cursor"): 400,
    ("codefluss list_sections", "cursor"): 400,
    ("codefluss list_sections_in_the_editor", "cursor"): 400,
    ("codefluss reorder_sections", "sectionIds"): 400,
    ("codefluss add_component", "parentId"): 400,
    ("codefluss move_component", "parentId"): 400,
}
