//! How long the parser takes to apply style sheets.
//!
//! It compares each selector with each element, `a b` also with all elements around it, and copies the declarations of a rule
//! to each element that it applies to.

use resvg::usvg::roxmltree::{Document, Node};

use super::expansion::Size;
use super::style::{rules, without_comments};
use super::svg_error::{MAX_STYLE_RULES, SvgError};

/// The maximum number of comparisons of a selector with an element.
const MAX_COMPARISONS: f64 = 2e7;

/// The maximum number of bytes of declarations that are copied, if each rule applies to each element.
const MAX_COPIED_BYTES: u64 = 300_000_000;

/// The number of elements around an element that a comparison with one of them can be as fast as one with the element.
const FREE_DEPTH: f64 = 8.0;

/// The number of bytes of a class attribute that are compared as fast as anything else.
const FREE_CLASS_BYTES: usize = 32;

/// Checks that there are not too many rules in the style sheets of a document.
///
/// # Errors
/// If there are.
pub(super) fn check_rules(document: &Document<'_>) -> Result<(), SvgError> {
    let texts =
        sheets(document).flat_map(|sheet| sheet.descendants().filter_map(|node| node.text()));
    // A rule has one block, and a selector is separated from the next one by a comma.
    let rules: usize = texts.map(|text| text.matches(['{', ',']).count()).sum();
    if rules > MAX_STYLE_RULES {
        return Err(SvgError::TooManyRules);
    }
    Ok(())
}

/// Checks that the style sheets of a document of a size are applied in a few seconds.
///
/// # Errors
/// If they are not.
pub(super) fn check(document: &Document<'_>, size: &Size) -> Result<(), SvgError> {
    let (mut comparisons, mut bytes) = (0.0, 0_u64);
    for sheet in sheets(document) {
        let sheet = without_comments(sheet.text().unwrap_or_default());
        for (selectors, block) in rules(&sheet) {
            for selector in selectors.split(',') {
                comparisons += cost(selector, size.depth);
                bytes += block.len() as u64;
            }
        }
    }
    let classes = document
        .descendants()
        .filter_map(|node| node.attribute("class"));
    let longest = classes.map(str::len).max().unwrap_or_default();
    let per_element = comparisons * (1 + longest / FREE_CLASS_BYTES) as f64;
    if per_element * size.elements as f64 > MAX_COMPARISONS
        || bytes.saturating_mul(size.elements) > MAX_COPIED_BYTES
    {
        return Err(SvgError::LongStyles {
            elements: size.elements,
        });
    }
    Ok(())
}

fn sheets<'a, 'input>(document: &'a Document<'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    let nodes = document.descendants();
    nodes.filter(|node| node.tag_name().name() == "style")
}

/// The comparisons of a selector with an element that is within so many others.
fn cost(selector: &str, depth: usize) -> f64 {
    let mut parts = 0;
    let mut around = 0;
    let mut is_combined = true;
    for word in selector.split_whitespace() {
        let is_combinator = matches!(word, ">" | "+");
        parts += 1 + word.matches(['>', '+']).count();
        around += i32::from(!is_combined && !is_combinator);
        is_combined = is_combinator || word.ends_with(['>', '+']);
    }
    parts as f64 * ((depth as f64).powi(around) / FREE_DEPTH).max(1.0)
}
