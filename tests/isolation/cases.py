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
INPUTS = {"mine": {"importId": "<uuid_data>"}}
RECIPE = {"steps": [{"step": "limit", "limit": 1}]}
CITIES = {"groupBy": ["city"], "aggregates": [{"function": "count", "as": "n"}]}
REPORT_SECTIONS = [{"type": "table", "importId": "<uuid_data>", "query": CITIES}]
AUTOMATION_STEPS = [{"name": "file", "type": "export", "importId": "<uuid_data>", "format": "csv"}]

SECTIONS = {"cursor": "<section_cursor>"}

ORGANIZATIONS = {"version": "v2", "model_type": "organization"}
ONE_ORGANIZATION = {**ORGANIZATIONS, "id": "<organization>"}
GRANT_REQUESTS = {"version": "v2", "model_type": "grant_request"}
ONE_DOCUMENT = {"version": "v2", "id": "<document>"}
OWNER = {"program_organization_id": ["name"]}
PAID = {"request_id": ["project_title"]}

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
        "list_jobs": {"query": {"after": "<job_position>"}},
        "get_job": {},
        "cancel_job": {"path": {"id": "<waiting_job>"}},
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
    "flarelight": {
        "list_imports": {"query": {"after": "<uuid_data_position>"}},
        "import_data": {"body": {"data": [{"city": "Bonn", "n": 1}], "id": "<uuid_data>", "projectId": "<uuid_proj>"}},
        "import_file": {"form": {"id": "<uuid_data>", "projectId": "<uuid_proj>", "mode": "append"}},
        "get_import": {"path": {"id": "<uuid_data>"}},
        "update_import": {"path": {"id": "<uuid_data>"}, "body": {"name": "Renamed"}},
        "delete_import": {"path": {"id": "<uuid_data>"}},
        "list_records": {"path": {"id": "<uuid_data>"}},
        "list_jobs": {"query": {"after": "<uuid_job_position>"}},
        "get_job": {"path": {"id": "<uuid_job>"}},
        "cancel_job": {"path": {"id": "<uuid_waiting_job>"}},
        "list_preparations": {"query": {"after": "<uuid_prep_position>"}},
        "create_preparation": {
            "body": {"name": "New", "inputs": INPUTS, "recipe": RECIPE, "output": {"projectId": "<uuid_proj>"}}
        },
        "get_preparation": {"path": {"id": "<uuid_prep>"}},
        "update_preparation": {
            "path": {"id": "<uuid_fresh>"},
            "body": {"name": "Renamed", "inputs": INPUTS, "recipe": RECIPE, "output": {"projectId": "<uuid_proj>"}},
        },
        "delete_preparation": {"path": {"id": "<uuid_prep>"}},
        "execute_preparation": {"path": {"id": "<uuid_prep>"}},
        "list_executions": {"path": {"id": "<uuid_prep>"}, "query": {"after": "<uuid_job_position>"}},
        "get_execution_report": {"path": {"id": "<uuid_prep>"}, "query": {"jobId": "<uuid_execution>"}},
        "preview_recipe": {"body": {"inputs": INPUTS, "recipe": RECIPE}},
        "preview_preparation": {"path": {"id": "<uuid_prep>"}, "body": {}},
        "list_generated_reports": {"query": {"after": "<uuid_gen_position>"}},
        "list_reports": {"query": {"after": "<uuid_rep_position>"}},
        "create_report": {"body": {"name": "New", "sections": REPORT_SECTIONS}},
        "get_report": {"path": {"id": "<uuid_rep>"}},
        "update_report": {"path": {"id": "<uuid_rep>"}, "body": {"name": "Renamed", "sections": REPORT_SECTIONS}},
        "delete_report": {"path": {"id": "<uuid_rep>"}},
        "generate_report": {"path": {"id": "<uuid_rep>"}},
        "get_generated_report": {"path": {"id": "<uuid_gen>"}},
        "delete_generated_report": {"path": {"id": "<uuid_gen>"}},
        "regenerate_report": {"path": {"id": "<uuid_gen>"}},
        "list_automations": {"query": {"after": "<uuid_auto_position>"}},
        "create_automation": {"body": {"name": "New", "triggers": [{"type": "api"}], "steps": AUTOMATION_STEPS}},
        "get_automation": {"path": {"id": "<uuid_auto>"}},
        "update_automation": {"path": {"id": "<uuid_auto>"}, "body": {"steps": AUTOMATION_STEPS}},
        "delete_automation": {"path": {"id": "<uuid_auto>"}},
        "execute_automation": {"path": {"id": "<uuid_auto>"}, "body": {"input": {"a": 1}}},
        "list_runs": {"path": {"id": "<uuid_auto>"}, "query": {"after": "<uuid_run_position>"}},
        "get_run": {"path": {"id": "<uuid_failed_run>"}},
        "resume_run": {"path": {"id": "<uuid_failed_run>"}},
        "cancel_run": {"path": {"id": "<uuid_waiting_run>"}},
        "get_chart_data": {
            "body": {"importId": "<uuid_data>", "dimension": "city", "measures": [{"aggregation": "count"}]}
        },
    },
    "fluxx": {
        "issue_token": {
            "body": {
                "grant_type": "client_credentials",
                "client_id": "<client_id>",
                "client_secret": "<client_secret>",
            }
        },
        "list_applications": {},
        "create_application": {"body": {"name": "New"}},
        "roll_secret": {"path": {"application_id": "<application>"}, "body": {"grace_seconds": 0}},
        "revoke_application": {"path": {"application_id": "<application>"}},
        "list_records": {"path": ORGANIZATIONS, "query": {"relation": '{"grant_requests": ["project_title"]}'}},
        "list_records_below": {"path": GRANT_REQUESTS},
        "search_records": {
            "path": GRANT_REQUESTS,
            "body": {"filter": {"program_organization_id": "<organization>"}, "relation": OWNER},
        },
        "get_record": {"path": ONE_ORGANIZATION, "query": {"cols": '["name", "grant_requests"]'}},
        "create_record": {
            # A class whose records are not numbered: a number that a refusal has spent is left out, as it is meant.
            "path": {"version": "v2", "model_type": "request_transaction"},
            "body": {"data": {"comment": "New", "request_id": "<grant_request>"}, "relation": PAID},
        },
        "update_record": {
            "path": {**GRANT_REQUESTS, "id": "<grant_request>"},
            "body": {"data": {"program_organization_id": "<organization>"}, "relation": OWNER},
        },
        "delete_record": {"path": ONE_ORGANIZATION, "query": {"hard_delete": "1"}},
        "tunnel": {
            "path": ONE_ORGANIZATION,
            "headers": {"X-HTTP-Method-Override": "PUT"},
            "body": {"data": {"name": "Renamed"}},
        },
        "download_document": {"path": ONE_DOCUMENT},
        "ask_for_document": {"path": ONE_DOCUMENT},
        "open_document_upload": {
            "path": {"version": "v2"},
            "body": {
                "data": {
                    "file_name": "data.csv",
                    "size": 8,
                    "owner_model": {"model_type": "grant_request", "id": "<grant_request>"},
                }
            },
        },
        "create_dataset": {
            "path": GRANT_REQUESTS,
            "body": {
                "project_id": "<bare_project>",
                "name": "New",
                "filter": {"program_organization_id": "<organization>"},
            },
        },
        "document_all_classes": {"path": {"version": "v2"}},
        "document_class": {"path": ORGANIZATIONS},
        "list_queues": {},
        "create_queue": {"body": {"name": "New", "model_type": "grant_request"}},
        "get_queue": {"path": {"id": "<queue>"}},
        "update_queue": {"path": {"id": "<queue>"}, "body": {"name": "Renamed"}},
        "delete_queue": {"path": {"id": "<queue>"}},
        "poll": {"path": {"client_id": "1", "queue_uuid": "<queue_uuid>"}},
        "finish": {"path": {"client_id": "1", "queue_uuid": "<queue_uuid>", "job_uuid": "<job_uuid>"}},
    },
}

# What has the form of an id, and names nothing: the token alone tells who polls.
NO_THING = {("fluxx poll", "client_id"), ("fluxx finish", "client_id")}

# Ids in JSON text, of which the document says no more than that it is JSON.
IN_JSON = {
    "fluxx search_records": ("filter.program_organization_id",),
    "fluxx create_record": ("data.request_id",),
    "fluxx create_dataset": ("filter.program_organization_id",),
    "fluxx update_record": ("data.program_organization_id",),
    "fluxx open_document_upload": ("data.owner_model.id",),
}

# Open to all, as it is meant: whether the API works, and what somebody gave away a link to.
OPEN = ("reference get_status", "codefluss open_preview", "codefluss open_file", "fluxx issue_token")

# Fields that a request has in place of one of its case: the kind of the one, and the other's name.
IN_PLACE_OF = {("flarelight get_chart_data", "preparationId"): ("uuid_prep", "importId")}

# What only reads, with a body that a GET cannot have: asked again it is answered as it is then, and nothing is kept.
READ_BY_POST = (
    "flarelight get_chart_data",
    "flarelight preview_preparation",
    "flarelight preview_recipe",
    "fluxx search_records",
)

# What has the effect of another method, which repeats by itself: it takes no Idempotency-Key.
TUNNELS = ("fluxx tunnel",)

# What shows rows of data beside what its own scope is for.
NEEDS_ALSO = {
    "flarelight create_preparation": "data:read",
    "flarelight update_preparation": "data:read",
    "flarelight preview_preparation": "data:read",
    "flarelight preview_recipe": "data:read",
    "flarelight get_execution_report": "data:read",
    "flarelight create_automation": "data:write",
    "flarelight update_automation": "data:write",
    "flarelight create_report": "data:read",
    "flarelight update_report": "data:read",
    "fluxx create_dataset": "data:write",
}

# Positions of lists. What follows a position is the caller's own, wherever it is: there need not be a thing at it.
POSITIONS = {
    ("reference list_events", "since"),
    ("codefluss list_projects", "cursor"),
    ("codefluss list_versions", "cursor"),
    ("reference list_jobs", "after"),
    ("flarelight list_imports", "after"),
    ("flarelight list_jobs", "after"),
    ("flarelight list_preparations", "after"),
    ("flarelight list_generated_reports", "after"),
    ("flarelight list_reports", "after"),
    ("flarelight list_automations", "after"),
    ("flarelight list_executions", "after"),
    ("flarelight list_runs", "after"),
    ("flarelight list_runs", "after"),
}

# What a request leaves behind, until it expires, that comes again before the first one has its answer: of which kind.
LEFT_TO_EXPIRE = {"fluxx create_dataset": "uploads"}

# The APIs that tell refusals with the status of a success.
TOLD_AS_SUCCESS = ("fluxx",)

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
# Whatever has another status would be taken for the file.
NOT_A_200 = {("fluxx download_document", "id"): 404, ("fluxx ask_for_document", "id"): 404}
