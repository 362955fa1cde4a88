//! Clip paths that are rectangles, as drawing programs write them around everything in a frame.

use resvg::tiny_skia::{Path as Outline, PathSegment, Rect};
use resvg::usvg::{Group, Node, Path, Transform};

/// The rectangle that a group is clipped to, in units of the picture; `None` if it is clipped to another shape, or not at
/// all. `transform` leads from the group to the picture: groups that usvg adds for symbols do not know theirs.
pub(super) fn rectangle(group: &Group, transform: Transform) -> Option<Rect> {
    let clip = group.clip_path()?;
    if clip.clip_path().is_some() {
        return None;
    }
    let path = only_path(clip.root())?;
    let transform = transform
        .pre_concat(clip.transform())
        .pre_concat(path.abs_transform());
    let outline = path.data().clone().transform(transform)?;
    is_rectangle(&outline).then(|| outline.bounds())
}

/// Whether a rectangle contains another one, but for rounding.
pub(super) fn contains(outer: Rect, inner: Rect) -> bool {
    let slack = 1e-3 * outer.width().max(outer.height());
    outer.left() <= inner.left() + slack
        && outer.top() <= inner.top() + slack
        && outer.right() >= inner.right() - slack
        && outer.bottom() >= inner.bottom() - slack
}

/// What two rectangles have in common; `None` if that has no area.
pub(super) fn common(first: Rect, second: Rect) -> Option<Rect> {
    let common = Rect::from_ltrb(
        first.left().max(second.left()),
        first.top().max(second.top()),
        first.right().min(second.right()),
        first.bottom().min(second.bottom()),
    )?;
    (common.width() > 0.0 && common.height() > 0.0).then_some(common)
}

/// The path in a group that contains nothing else.
fn only_path(group: &Group) -> Option<&Path> {
    match group.children() {
        [Node::Path(path)] => Some(path),
        [Node::Group(inner)] if inner.clip_path().is_none() => only_path(inner),
        _ => None,
    }
}

/// Whether an outline is a rectangle with horizontal and vertical sides.
fn is_rectangle(outline: &Outline) -> bool {
    let has_curves = outline
        .segments()
        .any(|segment| matches!(segment, PathSegment::QuadTo(..) | PathSegment::CubicTo(..)));
    let mut corners = outline.points().to_vec();
    if corners.len() == 5 && corners[0] == corners[4] {
        corners.pop();
    }
    if has_curves || corners.len() != 4 {
        return false;
    }
    let bounds = outline.bounds();
    let slack = 1e-4 * bounds.width().max(bounds.height());
    let differ = |first: usize, second: usize| {
        let [first, second] = [corners[first % 4], corners[second % 4]];
        [first.x - second.x, first.y - second.y].map(|part| part.abs() > slack)
    };
    let is_side =
        |corner: usize| matches!(differ(corner, corner + 1), [true, false] | [false, true]);
    (0..4).all(is_side) && (0..2).all(|corner| differ(corner, corner + 2) == [true; 2])
}
