"""Rules of multipart.py."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial.errors import InvalidError, TooLargeError
from fluvial.multipart import FilePart, Form, parse

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(disposition: str, content: bytes, *more: str, boundary: str = BOUNDARY) -> bytes:
    head = "\r\n".join((f"Content-Disposition: form-data; {disposition}", *more))
    return b"--" + boundary.encode() + b"\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def body(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    return b"".join(parts) + b"--" + boundary.encode() + b"--\r\n"


def file_body(content: bytes, boundary: str = BOUNDARY) -> bytes:
    return body(part('name="file"; filename="a.csv"', content, boundary=boundary), boundary=boundary)


def test_fields_and_files_are_told_apart_and_keep_their_names():
    sent = body(
        part('name="project_id"', b"proj_1"),
        part('name="file"; filename="sales.csv"', b"a,b\r\n1,2\r\n", "Content-Type: text/csv; charset=utf-8"),
        part('name="note"', "größer".encode(), "Content-Type: text/plain; charset=utf-8"),
    )
    assert parse(sent, TYPE) == Form(
        fields={"project_id": "proj_1", "note": "größer"},
        files={"file": FilePart("sales.csv", "text/csv", b"a,b\r\n1,2\r\n")},
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"\r",
        b"--",
        b"x\r\n--",
        b"x\r\n--\r\n",
        b"\x00\xff\xfe",
        f"a\r\n--{BOUNDARY[:-1]}\r\nb".encode(),
        f"a\r\n--{BOUNDARY}x\r\nb".encode(),
        f"a\r\n--{BOUNDARY}-x\r\nb".encode(),
        f"a\r\n--{BOUNDARY}\rb".encode(),
        f"a\r\n--{BOUNDARY}\r\r\nb".encode(),
        f"a\r\n--{BOUNDARY}\n".encode(),
        f"a\r\n--{BOUNDARY} x".encode(),
        f"a\r\n--{BOUNDARY}--x\r\n".encode(),
        f"a\n--{BOUNDARY}--\n".encode(),
        f"--{BOUNDARY}x".encode(),
        f"a--{BOUNDARY}--\r\n".encode(),
        f"\r\n--{BOUNDARY}x".encode() * 1000,
        b"\r\n-" * 1000,
    ],
)
def test_a_file_may_contain_anything_that_only_looks_like_a_boundary(content):
    assert parse(file_body(content), TYPE).files["file"].data == content


def test_four_mebibytes_come_out_byte_for_byte():
    content = bytes(range(256)) * (4 * 4096)
    assert parse(file_body(content), TYPE).files["file"].data == content


@given(
    boundary=st.from_regex(r"[A-Za-z0-9_-]{1,70}", fullmatch=True),
    fields=st.dictionaries(
        st.from_regex(r"[a-z_]{1,10}", fullmatch=True), st.text(st.characters(exclude_categories=["Cs"]))
    ),
    files=st.dictionaries(
        st.from_regex(r"[A-Z_]{2,10}", fullmatch=True),
        st.one_of(st.binary(), st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n--", b"@"])).map(b"".join)),
        min_size=1,
    ),
)
def test_whatever_is_encoded_is_parsed_again(boundary, fields, files):
    # "@" stands for the boundary; a whole boundary line cannot be part of a content (RFC 2046).
    files = {name: data.replace(b"@", boundary.encode()) for name, data in files.items()}
    line = re.compile(rb"\r\n--" + re.escape(boundary.encode()) + rb"(--[ \t]*\r?\n|[ \t]*\r\n)")
    contents = [*files.values(), *(text.encode() for text in fields.values())]
    if any(line.search(b"\r\n" + content + b"\r\n") for content in contents):
        return
    files.pop("_", None)
    parts = [part(f'name="{name}"', text.encode(), boundary=boundary) for name, text in fields.items()]
    parts += [part(f'name="{name}"; filename="x"', data, boundary=boundary) for name, data in files.items()]
    if set(fields) & set(files) or len(parts) > 20:
        return
    form = parse(body(*parts, boundary=boundary), f'multipart/form-data; boundary="{boundary}"')
    assert form.fields == fields
    assert {name: file.data for name, file in form.files.items()} == files


@given(st.binary(max_size=300), st.sampled_from([b"", b"--b\r\n", b'--b\r\nContent-Disposition: form-data; name="a"']))
def test_no_body_can_raise_anything_but_a_refusal(tail, start):
    with suppress(InvalidError, TooLargeError):
        parse(start + tail + b"\r\n--b--\r\n", "multipart/form-data; boundary=b")


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('filename="sales.csv"', "sales.csv"),
        ("filename=sales.csv", "sales.csv"),
        ('filename="größer 数.csv"', "größer 数.csv"),
        ('filename="a \\"quoted\\" name; v=2.csv"', 'a "quoted" name; v=2.csv'),
        ("filename*=UTF-8''gr%C3%B6%C3%9Fer.csv", "größer.csv"),
        ("filename=\"fallback.csv\"; filename*=UTF-8''gr%C3%B6%C3%9Fer.csv", "größer.csv"),
        ("filename*=UTF-8''gr%C3%B6%C3%9Fer.csv; filename=\"fallback.csv\"", "größer.csv"),
        ("filename*=no-such-charset''x.csv", "x.csv"),
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="C:\\\\data\\\\sales.csv"', "sales.csv"),
        ('filename="C:\\data\\sales.csv"', "sales.csv"),
        ("filename*=UTF-8''..%2F..%2Fsales.csv", "sales.csv"),
        ('filename="dir/"', ""),
        ('filename=""', ""),
        ('FileName="sales.csv"', "sales.csv"),
    ],
)
def test_the_file_name_is_the_last_component_of_every_spelling(disposition, filename):
    form = parse(body(part(f'name="file"; {disposition}', b"1")), TYPE)
    assert form.files == {"file": FilePart(filename, "text/plain", b"1")}


def test_a_file_without_a_name_is_known_by_its_type():
    sent = body(part('name="file"', b"\xff", "Content-Type: application/octet-stream"))
    assert parse(sent, TYPE) == Form(files={"file": FilePart("", "application/octet-stream", b"\xff")})


def test_header_names_are_read_in_any_case_and_text_before_the_form_is_ignored():
    sent = (
        b"preamble\r\n--b \t\r\ncontent-disposition:form-data;name=a\r\n\r\n1\r\n"
        b"--b\t\r\nCONTENT-DISPOSITION: Form-Data; NAME=c\r\n\r\n\r\n--b-- \n\r\n"
    )
    assert parse(sent, "Multipart/Form-Data; Boundary=b") == Form(fields={"a": "1", "c": ""})


def test_an_empty_part_may_share_the_line_end_of_its_headers_with_the_boundary():
    head = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    assert parse(head + b"--b--", "multipart/form-data; boundary=b") == Form(fields={"a": ""})


def refusal_of(sent: bytes, content_type: str = TYPE, **limits: int) -> tuple[str | None, str]:
    with pytest.raises(InvalidError) as caught:
        parse(sent, content_type, **limits)
    return caught.value.field, caught.value.reason


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/mixed; boundary=b", "multipart"])
def test_another_content_type_is_refused(content_type):
    assert refusal_of(b"--b--", content_type) == (None, "The body must be sent as multipart/form-data.")


@pytest.mark.parametrize(
    "parameters",
    ["", "; boundary=", '; boundary=""', "; charset=utf-8", "; boundary=数", "; boundary*=a; boundary*0=b"],
)
def test_a_content_type_without_a_usable_boundary_is_refused(parameters):
    refusal = refusal_of(b"--b--", f"multipart/form-data{parameters}")
    assert refusal == (None, "The Content-Type names no boundary.")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"nothing of the kind",
        file_body(b"1,2")[: -len(BOUNDARY) - 6],
        file_body(b"1,2")[:-5],
        file_body(b"1,2")[:-3],
        file_body(b"1,2")[:-2] + b"x",
        file_body(b"1,2", boundary="other"),
        file_body(f"\r\n--{BOUNDARY}x".encode())[:-5],
    ],
)
def test_a_body_that_is_cut_off_is_refused(sent):
    assert refusal_of(sent) == (None, "The form is cut off: its closing boundary is missing.")


def test_a_body_that_is_cut_off_in_the_headers_of_a_part_is_refused():
    sent = f"--{BOUNDARY}\r\nContent-Disposition: form-data".encode()
    assert refusal_of(sent) == (None, "The headers of a part are cut off or too long.")


def test_endless_headers_are_refused():
    sent = body(part('name="a"', b"", "X-Long: " + "x" * 9_000))
    assert refusal_of(sent) == (None, "The headers of a part are cut off or too long.")


def test_a_file_with_a_closing_boundary_inside_is_refused_and_not_cut_off():
    sent = file_body(f"1,2\r\n--{BOUNDARY}--\r\n3,4".encode())
    assert refusal_of(sent) == (None, "There is more after the closing boundary of the form.")


def test_a_form_without_parts_is_refused():
    assert refusal_of(body()) == (None, "The form has no parts.")


def test_a_name_that_is_given_twice_is_refused():
    sent = body(part('name="file"', b"1"), part('name="file"; filename="x"', b"2"))
    assert refusal_of(sent) == ("file", "The form has more than one part named 'file'.")


@pytest.mark.parametrize(
    "disposition", ["form-data", 'form-data; name=""', 'attachment; name="a"', "form-data; name*=a; name*0=b"]
)
def test_a_part_without_a_name_is_refused(disposition):
    sent = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n1\r\n".encode()
    assert refusal_of(body(sent)) == (None, "A part of the form has no name.")


def test_a_part_without_headers_is_refused():
    assert refusal_of(b"--b\r\n\r\n1\r\n--b--", "multipart/form-data; boundary=b") == (
        None,
        "A part of the form has no name.",
    )


def test_a_part_in_a_transfer_encoding_is_refused_and_not_stored_encoded():
    sent = body(part('name="file"; filename="a"', b"MTIz", "Content-Transfer-Encoding: base64"))
    assert refusal_of(sent) == ("file", "The part 'file' has a transfer encoding, which forms do not use.")


def test_a_field_that_is_not_utf8_is_refused():
    assert refusal_of(body(part('name="note"', b"\xff"))) == ("note", "The field 'note' is not UTF-8 text.")


def test_more_parts_than_allowed_are_refused():
    sent = body(*(part(f'name="f{number}"', b"") for number in range(3)))
    assert refusal_of(sent, max_parts=2) == (None, "The form has more than 2 parts.")
    assert len(parse(sent, TYPE, max_parts=3).fields) == 3


def test_a_field_may_be_as_long_as_the_limit_and_no_longer():
    assert parse(body(part('name="a"', b"1234")), TYPE, max_field_bytes=4).fields == {"a": "1234"}
    with pytest.raises(TooLargeError) as caught:
        parse(body(part('name="a"', b"12345")), TYPE, max_field_bytes=4)
    assert caught.value.field == "a"
    assert caught.value.limit_bytes == 4
    assert str(caught.value) == "The field 'a' is longer than 4 bytes; a file needs a file name."
