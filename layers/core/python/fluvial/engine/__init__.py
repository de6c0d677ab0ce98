"""The data engine: any accepted file in, typed Parquet parts and a manifest out, and pages of rows from them.

    sources   unpack, hash and recognise the bytes        records   split delimited text into records
    dialect   delimiter, quote, header of delimited text  json_text split JSON and NDJSON into records
    types     the typing rules, in Python and in SQL      tables    the cleaned records on their way to DuckDB
    load      cleaned records to typed Parquet            parquet   Parquet input
    ingest    the one entry                               rows      pages of rows and of rejects

Nothing here knows AWS or HTTP, and DuckDB is never allowed to reach the network or to load an extension.
"""
