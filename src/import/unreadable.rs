//! Declarations in styles that the parser cannot read.
//!
//! It leaves out not only such a declaration, but everything after it in the same block: `font:12px/1.5 serif;fill:red` paints
//! black. Here such declarations are removed before, so that the others count.

use std::ops::Range;

use resvg::usvg::roxmltree::{Document, Node};
use simplecss::DeclarationTokenizer;

use super::applied::{reading_steps, sheet_texts};
use super::svg_error::MAX_STYLE_STEPS;

/// The text of an SVG without such declarations; `None` if there are none.
pub(super) fn removed(document: &Document<'_>) -> Option<String> {
    let text = document.input_text();
    // What takes too long is refused later.
    let nodes = || document.descendants();
    let styles = nodes().filter_map(|node| node.attribute("style"));
    let texts = styles.chain(sheet_texts(document));
    if texts.map(reading_steps).sum::<u64>() > MAX_STYLE_STEPS {
        return None;
    }
    let mut places: Vec<_> = nodes()
        .flat_map(|node| in_attribute(node, text).chain(in_sheet(node, text)))
        .collect();
    if places.is_empty() {
        return None;
    }
    // What entities stand for is there once, and found at each reference.
    places.sort_by_key(|place| place.start);
    let mut left = String::with_capacity(text.len());
    let mut end = 0;
    for place in places {
        if place.start >= end {
            left.push_str(&text[end..place.start]);
            end = place.end;
        }
    }
    left.push_str(&text[end..]);
    Some(left)
}

/// Where they are in the style of an element.
fn in_attribute<'a>(node: Node<'a, '_>, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let style = node.attribute_node("style");
    let place = style.map(|style| style.range_value());
    place.into_iter().flat_map(|place| in_block(text, place))
}

/// Where they are in a style sheet.
fn in_sheet<'a>(node: Node<'a, '_>, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let is_sheet = node.is_text()
        && node
            .parent()
            .is_some_and(|parent| parent.tag_name().name() == "style");
    let place = if is_sheet { node.range() } else { 0..0 };
    let sheet = &text[place.clone()];
    blocks(sheet)
        .into_iter()
        .flat_map(move |block| in_block(text, block.start + place.start..block.end + place.start))
}

/// The innermost blocks of a style sheet, without their braces.
fn blocks(sheet: &str) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut start = None;
    for (place, byte) in sheet.bytes().enumerate() {
        match byte {
            b'{' => start = Some(place + 1),
            b'}' => blocks.extend(start.take().map(|start| start..place)),
            _ => {}
        }
    }
    blocks
}

/// Where they are in a block of declarations.
fn in_block(text: &str, place: Range<usize>) -> Vec<Range<usize>> {
    let mut unreadable = Vec::new();
    // The parser sees what entities stand for: `style="&st0;"` is how Illustrator once wrote all styles.
    if text[place.clone()].contains('&') {
        return unreadable;
    }
    let mut start = place.start;
    while start < place.end {
        let end = start + declaration_length(&text[start..place.end]);
        if !is_read(&text[start..end]) {
            unreadable.push(start..end);
        }
        start = end;
    }
    unreadable
}

/// Whether the parser reads a declaration to its end. It does not read what comes after an empty one at the beginning.
fn is_read(declaration: &str) -> bool {
    let mut found = DeclarationTokenizer::from(declaration);
    let Some(only) = found.next() else {
        return is_empty(declaration) && !declaration.contains(';');
    };
    let end = only.value.as_ptr() as usize - declaration.as_ptr() as usize + only.value.len();
    let mut rest = declaration[end..].trim_start();
    if only.important {
        let important = rest.trim_start_matches(['!', ' ']);
        rest = important.strip_prefix("important").unwrap_or(important);
    }
    found.next().is_none() && is_empty(rest)
}

/// Whether a text has only spaces, semicolons and comments.
fn is_empty(text: &str) -> bool {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|one: char| one == ';' || one.is_ascii_whitespace());
        let comment = rest.strip_prefix("/*");
        match comment.and_then(|comment| comment.split_once("*/")) {
            Some((_, after)) => rest = after,
            None => return rest.is_empty(),
        }
    }
}

/// The length of the declaration that a text begins with, with the semicolon: those in parentheses, quotes and comments do not
/// count.
fn declaration_length(text: &str) -> usize {
    let (mut depth, mut closing) = (0_usize, None);
    for (place, byte) in text.bytes().enumerate() {
        let rest = &text.as_bytes()[place..];
        match (closing, byte) {
            (Some(closed), _) => {
                if rest.starts_with(closed) {
                    closing = None;
                }
            }
            (None, b'"') => closing = Some("\"".as_bytes()),
            (None, b'\'') => closing = Some(b"'"),
            (None, b'/') if rest.starts_with(b"/*") => closing = Some(b"*/"),
            (None, b'(') => depth += 1,
            (None, b')') => depth = depth.saturating_sub(1),
            (None, b';') if depth == 0 => return place + 1,
            (None, _) => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use resvg::usvg::roxmltree::ParsingOptions;

    use super::*;

    fn left(style: &str) -> String {
        let text = format!(r#"<svg style="{style}"/>"#);
        let document = Document::parse(&text).unwrap();
        let left = removed(&document).unwrap_or_else(|| text.clone());
        left[r#"<svg style=""#.len()..left.len() - r#""/>"#.len()].to_owned()
    }

    #[test]
    fn only_what_the_parser_cannot_read_is_removed() {
        for (style, expected) in [
            ("font:12px/1.5 serif;fill:red", "fill:red"),
            ("fill:red;font:12px/1.5 serif", "fill:red;"),
            (
                "fill:red;transform:rotate(calc(1deg + 2deg));stroke:blue",
                "fill:red;stroke:blue",
            ),
            (
                "fill:rgb(0 0 0 / 50%);stroke:red",
                "fill:rgb(0 0 0 / 50%);stroke:red",
            ),
            ("a:b(c(';')d;e);;f:1/2;g:h!important", "g:h!important"),
            (
                "/* a;b */ fill:red;stroke:blue ! important",
                "/* a;b */ fill:red;stroke:blue ! important",
            ),
            (
                "fill:url('a;b(');stroke:url(c;d)",
                "fill:url('a;b(');stroke:url(c;d)",
            ),
            (
                "fill:red!important; /* a/b */ stroke:blue ;",
                "fill:red!important; /* a/b */ stroke:blue ;",
            ),
            ("fill:;stroke:red", "stroke:red"),
            (";;fill:red", "fill:red"),
            (
                "--a:b;fill:red;font:1/2;;stroke:blue",
                "fill:red;stroke:blue",
            ),
            ("nothing", ""),
            ("", ""),
        ] {
            assert_eq!(left(style), expected, "{style}");
        }
    }

    #[test]
    fn entities_stay() {
        for style in ["&st0;", "stroke:&#35;f00;fill:red"] {
            let text = format!(
                r#"<!DOCTYPE svg [<!ENTITY st0 "fill:red;stroke:blue;">]><svg><path style="{style}"/><style>.a{{{style}}}</style></svg>"#
            );
            let options = ParsingOptions {
                allow_dtd: true,
                ..ParsingOptions::default()
            };
            let document = Document::parse_with_options(&text, options).unwrap();
            assert_eq!(removed(&document), None, "{style}");
        }
    }

    #[test]
    fn style_sheets_keep_their_other_declarations() {
        let sheet = |rule: &str| {
            format!(
                "<svg><style>@media print{{.a{{fill:red}}}}\n.a,.b{{{rule}}}</style><style><![CDATA[.c{{{rule}}}]]></style></svg>"
            )
        };
        let text = sheet("font:12px/2 serif;fill:red");
        let document = Document::parse(&text).unwrap();
        assert_eq!(removed(&document), Some(sheet("fill:red")));
        let text = sheet("fill:red;stroke:blue");
        assert_eq!(removed(&Document::parse(&text).unwrap()), None);
    }
}
