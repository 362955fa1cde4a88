//! Reads an SVG document without letting it cost more than it should.
//!
//! An SVG can refer to files and hosts, which are never opened. It can also be small and become huge: by compression, by
//! entities, and by elements that are used many times. The size that it would have is computed before anything is built.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use resvg::usvg;
use usvg::roxmltree::{Document, ParsingOptions};

use super::bounded::decompressed;
use super::encoding;
use super::expansion::Size;
use super::numbers::Bounds;
use super::svg_error::{MAX_ATTRIBUTES, MAX_NODES, MAX_PREFIXES, MAX_SVG_BYTES, SvgError};
use crate::errors::panic_message;

/// The maximum size that entities may add, in bytes.
const MAX_ENTITY_BYTES: u64 = 16 << 20;

/// The maximum number of declarations of entities times that of references.
const MAX_ENTITY_COMPARISONS: u64 = 10_000_000;

/// How many times an entity can occur within a reference to another one (the limit of roxmltree).
const NESTED_ENTITIES: u64 = 256;

/// The text of an SVG file, which may be compressed.
pub(super) fn text_of(bytes: &[u8]) -> Result<String, SvgError> {
    let content = decompressed(bytes, MAX_SVG_BYTES).map_err(SvgError::Compression)?;
    let content = content.ok_or(SvgError::TooLarge)?;
    encoding::decoded(&content).ok_or_else(|| {
        let is_svg = content.windows(4).any(|bytes| bytes == b"<svg");
        if is_svg {
            SvgError::Encoding
        } else {
            SvgError::NoText
        }
    })
}

/// Parses the XML of an SVG.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, SvgError> {
    check_entities(text)?;
    check_attributes(text)?;
    check_prefixes(text)?;
    let options = ParsingOptions {
        // Illustrator declares the namespaces that it uses as entities.
        allow_dtd: true,
        nodes_limit: MAX_NODES,
        entity_resolver: None,
    };
    Document::parse_with_options(text, options).map_err(SvgError::Xml)
}

/// Builds the shapes of an SVG: styles are applied, references resolved, and all shapes are paths.
pub(crate) fn build(document: &Document<'_>) -> Result<usvg::Tree, SvgError> {
    build_with_style(document, None)
}

/// The same with a style sheet, which applies before those of the document.
pub(super) fn build_with_style(
    document: &Document<'_>,
    style_sheet: Option<String>,
) -> Result<usvg::Tree, SvgError> {
    let options = usvg::Options {
        image_href_resolver: usvg::ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        style_sheet,
        ..usvg::Options::default()
    };
    let built = catch_unwind(AssertUnwindSafe(|| {
        let bounds = Bounds::of(document);
        bounds.check(document)?;
        Size::check(document, &bounds)?;
        usvg::Tree::from_xmltree(document, &options).map_err(SvgError::NotSvg)
    }));
    built.map_err(|panic| SvgError::Parser(panic_message(&*panic).to_owned()))?
}

/// Checks how large a text can become when its entities are replaced.
fn check_entities(text: &str) -> Result<(), SvgError> {
    let declarations = text.split("<!ENTITY").skip(1);
    let Some(longest) = declarations.clone().map(quoted_length).max() else {
        return Ok(());
    };
    let references = text.matches('&').count() as u64;
    // Each is looked for among all declarations.
    let count = declarations.count() as u64;
    if references.saturating_mul(count) > MAX_ENTITY_COMPARISONS {
        return Err(SvgError::Entities);
    }
    if references.saturating_mul(NESTED_ENTITIES * longest as u64) > MAX_ENTITY_BYTES {
        return Err(SvgError::Entities);
    }
    Ok(())
}

/// Checks how many attributes the elements have, before anything is parsed. Each attribute has a quoted value.
fn check_attributes(text: &str) -> Result<(), SvgError> {
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")]
            .into_iter()
            .find(|(opening, _)| rest.starts_with(opening));
        if let Some((opening, closing)) = skipped {
            let end = rest[opening.len()..].find(closing);
            let Some(end) = end else { return Ok(()) };
            rest = &rest[opening.len() + end + closing.len()..];
            continue;
        }
        let (values, length) = quoted_values(rest);
        if values > MAX_ATTRIBUTES {
            return Err(SvgError::TooManyAttributes);
        }
        rest = &rest[length..];
    }
    Ok(())
}

/// Checks how many prefixes of namespaces there are.
fn check_prefixes(text: &str) -> Result<(), SvgError> {
    let declarations = text.split("xmlns:").skip(1);
    let prefixes: HashSet<&str> = declarations
        .map(|rest| {
            rest.split(['=', ' ', '\t', '\r', '\n'])
                .next()
                .unwrap_or_default()
        })
        .collect();
    if prefixes.len() > MAX_PREFIXES {
        return Err(SvgError::TooManyPrefixes);
    }
    Ok(())
}

/// The number of quoted values in the tag that a text begins with, and the length of the tag in bytes.
fn quoted_values(text: &str) -> (usize, usize) {
    let (mut values, mut open) = (0, None);
    for (place, byte) in text.bytes().enumerate() {
        match (open, byte) {
            (Some(mark), byte) if byte == mark => open = None,
            (None, b'"' | b'\'') => {
                values += 1;
                open = Some(byte);
            }
            (None, b'>') => return (values, place + 1),
            _ => {}
        }
    }
    (values, text.len())
}

/// The length of the first quoted value in a text.
fn quoted_length(text: &str) -> usize {
    let Some(start) = text.find(['"', '\'']) else {
        return 0;
    };
    let mark = char::from(text.as_bytes()[start]);
    let value = &text[start + 1..];
    value.find(mark).unwrap_or(value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_counted_in_tags_and_nowhere_else() {
        let attributes = |count: usize| -> String {
            let all = (0..count).map(|index| format!(r#" a{index}="{index}>""#));
            all.collect::<Vec<_>>().concat()
        };
        let svg = |inner: &str| format!(r#"<svg xmlns="http://www.w3.org/2000/svg">{inner}</svg>"#);
        let many = attributes(MAX_ATTRIBUTES + 1);
        for text in [
            svg(&format!("<g{many}/>")),
            svg(&format!("<g{}/>", many.replace('"', "'"))),
            format!("<svg{}></svg>", attributes(100_000)),
        ] {
            assert!(matches!(parse(&text), Err(SvgError::TooManyAttributes)));
        }
        let quotes = "'\"".repeat(2 * MAX_ATTRIBUTES);
        for text in [
            svg(&format!("<g{}/>", attributes(MAX_ATTRIBUTES))),
            svg(&format!("<!-- {quotes} -->")),
            svg(&format!("<style><![CDATA[{quotes}]]></style>")),
            svg(&format!("<title>{quotes}</title>")),
            svg(&"<g id='a' class='b'/>".repeat(MAX_ATTRIBUTES)),
        ] {
            assert!(parse(&text).is_ok(), "{text}");
        }
        for text in ["<", "<!--", "<![CDATA[", "<?", "<a b='", "<a b=\"c\""] {
            assert!(matches!(parse(text), Err(SvgError::Xml(_))), "{text}");
        }
    }
}
