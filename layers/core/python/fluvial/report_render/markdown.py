"""Markdown as a tree of plain values, which both the HTML and the PDF are drawn from.

CommonMark and strikethrough, parsed by markdown-it. Raw HTML is plain text. A link leads to http, https or mailto;
any other keeps its text and shows its address. An image is never fetched: its description and address are shown.
What is nested deeper than people write is shown as it was written.

    {"kind": "heading", "level": 2, "parts": [part, …]}     2 to 6; 1 is the report's own title
    {"kind": "paragraph", "parts": [part, …]}
    {"kind": "list", "start": None or 1, "items": [[block, …], …]}
    {"kind": "quote", "blocks": [block, …]}     {"kind": "code", "text": "…"}     {"kind": "rule"}

A part is {"kind": "text" or "code", "text": "…"}, {"kind": "break"}, {"kind": "strong", "emphasis" or "strike",
"parts": […]} or {"kind": "link", "href": "…", "parts": […]}.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from fluvial.report_parameters import Value, filled

Node = dict[str, Any]

MAX_DEPTH = 20
_LINKED = re.compile(r"(?:https?://|mailto:)[^\s<>\"'\\\x00-\x20\x7f]+", re.IGNORECASE)
_MARKS = {"strong": "strong", "em": "emphasis", "s": "strike"}


def tree(text: str, values: Mapping[str, Value]) -> list[Node]:
    """The blocks of a text; placeholders in its plain text are filled, those in addresses are not."""
    tokens = _parser().parse(text)
    if max((token.level for token in tokens), default=0) > MAX_DEPTH:
        # The parser drops what is nested too deep; nothing a reader would miss is dropped before this depth.
        return [{"kind": "code", "text": filled(text, values)}]
    return _Reader(values).blocks(SyntaxTreeNode(tokens))


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "maxNesting": 2 * MAX_DEPTH}).enable("strikethrough")


class _Reader:
    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values

    def blocks(self, node: SyntaxTreeNode) -> list[Node]:
        return [self._block(child) for child in node.children]

    def _block(self, node: SyntaxTreeNode) -> Node:
        match node.type:
            case "heading":
                return {"kind": "heading", "level": max(2, int(node.tag[1])), "parts": self._inline(node)}
            case "paragraph":
                return {"kind": "paragraph", "parts": self._inline(node)}
            case "bullet_list" | "ordered_list":
                start = None if node.type == "bullet_list" else int(node.attrs.get("start", 1))
                return {"kind": "list", "start": start, "items": [self.blocks(item) for item in node.children]}
            case "blockquote":
                return {"kind": "quote", "blocks": self.blocks(node)}
            case "fence" | "code_block":
                return {"kind": "code", "text": filled(node.content, self._values).rstrip("\n")}
            case "hr":
                return {"kind": "rule"}
        raise AssertionError(f"Markdown has no blocks of the type {node.type} here")

    def _inline(self, node: SyntaxTreeNode) -> list[Node]:
        return [part for child in node.children for part in self._parts(child)]

    def _parts(self, node: SyntaxTreeNode) -> list[Node]:
        """The parts of an inline node; one, but for those that dissolve into theirs."""
        match node.type:
            case "inline":
                return self._inline(node)
            case "text" | "text_special":
                return [{"kind": "text", "text": filled(node.content, self._values)}]
            case "code_inline":
                return [{"kind": "code", "text": filled(node.content, self._values)}]
            case "softbreak":
                return [{"kind": "text", "text": " "}]
            case "hardbreak":
                return [{"kind": "break"}]
            case "strong" | "em" | "s":
                return [{"kind": _MARKS[node.type], "parts": self._inline(node)}]
            case "link":
                return _link(str(node.attrs["href"]), self._inline(node))
            case "image":
                return _with_address(self._inline(node), str(node.attrs["src"]))
        raise AssertionError(f"Markdown has no parts of the type {node.type} here")


def _link(href: str, parts: list[Node]) -> list[Node]:
    if _LINKED.fullmatch(href):
        return [{"kind": "link", "href": href, "parts": parts}]
    return _with_address(parts, href)


def _with_address(parts: list[Node], address: str) -> list[Node]:
    return [*parts, {"kind": "text", "text": f" ({address})"}] if address else parts
