"""The data engine: any accepted file in, typed Parquet parts and a manifest out, and pages of rows from them.

    sources   unpack, hash and recognise the bytes        records   split delimited text into records
    detect    dialect and layout of delimited text        json_text split JSON and NDJSON into records
    dialect   what a record and its cells are in one      forced    types that the caller said
    types     the typing rules, in Python and in SQL      tables    the cleaned records on their way to DuckDB
    load      cleaned records to typed Parquet            parquet   Parquet input
    containers  gzip, zip and zstd                        markup    XML without entities, in bounded memory
    package     parts of an Office file                   workbook  sheets, styles and strings of a workbook
    sheet       the rows of one sheet                     sheet_table, sheet_values   its columns and cells
    xml_table   XML to records                            xml_blocks, xml_shapes   many alike records at once
    xml_outline, xml_values   its columns and cells       collect   JSON, XML and workbooks to cleaned parts
    ingest    the one entry                               rows      pages of rows and of rejects
    sandbox     SELECTs of users in a process of their own: sandbox_process starts and ends it, sandbox_child limits it,
                sandbox_check reads the SQL, sandbox_run locks DuckDB and runs it, sandbox_columns types what comes out
    merge     a file into the version before              compare   how the rows of two versions differ

Nothing here knows AWS or HTTP, and DuckDB is never allowed to reach the network or to load an extension.
"""
