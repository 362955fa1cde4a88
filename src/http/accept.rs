//! Which form of a prediction the header `Accept` asks for (RFC 9110, section 12.5.1).

use std::cmp::Ordering;

use axum::http::{HeaderMap, header};

use super::error::HttpError;
use crate::output::OutputFormat;

/// The form in which a client wants a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Its state as JSON, as in Cog.
    Json,
    /// The finished drawing, in a format of the client's choice.
    Drawing(FormatChoice),
}

/// Which format a client wants the finished drawing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormatChoice {
    /// This one.
    Only(OutputFormat),
    /// No format is preferred: the one that it was drawn in.
    AsDrawn,
}

impl Form {
    /// Reads the header. The response is JSON unless an image is preferred, whatever else is accepted:
    /// Cog's server does not read the header, so its clients may send anything.
    ///
    /// # Errors
    /// If the client accepts only images, and none in an available format.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, HttpError> {
        let ranges = ranges(headers);
        let json = quality(&ranges, "application/json");
        let (image, best) = best_formats(&ranges);
        if image > json {
            return Ok(Self::Drawing(match best[..] {
                [only] => FormatChoice::Only(only),
                _ => FormatChoice::AsDrawn,
            }));
        }
        let wants_images = ranges
            .iter()
            .any(|range| range.kind == "image" && range.quality > 0);
        let accepts_other = ranges
            .iter()
            .any(|range| range.kind != "image" && range.quality > 0);
        if wants_images && !accepts_other && image == 0 {
            return Err(HttpError::NoSuchFormat);
        }
        Ok(Self::Json)
    }
}

/// Whether a client names HTML as a type that it accepts, as browsers do for a page. Neither `*/*` nor `text/*`
/// counts.
pub(super) fn accepts_html(headers: &HeaderMap) -> bool {
    let mut ranges = ranges(headers).into_iter();
    ranges.any(|range| {
        (range.kind.as_str(), range.subtype.as_str()) == ("text", "html") && range.quality > 0
    })
}

/// The quality of the formats that are preferred among all, and these formats.
fn best_formats(ranges: &[MediaRange]) -> (u16, Vec<OutputFormat>) {
    let mut best = (0, Vec::new());
    for format in OutputFormat::ALL {
        let quality = quality(ranges, format.media_type());
        match quality.cmp(&best.0) {
            Ordering::Greater => best = (quality, vec![*format]),
            Ordering::Equal => best.1.push(*format),
            Ordering::Less => {}
        }
    }
    best
}

/// One item of the header, in lower case.
#[derive(Debug, PartialEq, Eq)]
struct MediaRange {
    kind: String,
    subtype: String,
    /// In thousandths; 0 means that it is not accepted.
    quality: u16,
}

/// The ranges of the header, which may span several lines. An item that cannot be read is ignored.
fn ranges(headers: &HeaderMap) -> Vec<MediaRange> {
    headers
        .get_all(header::ACCEPT)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(MediaRange::parse)
        .collect()
}

impl MediaRange {
    fn parse(item: &str) -> Option<Self> {
        let mut parts = item.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let weight = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
        });
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            quality: weight.map_or(Some(1000), thousandths)?,
        })
    }

    /// How exactly the range names a type: not at all, by `*/*`, by `image/*`, or by the type itself.
    fn precision(&self, media_type: &str) -> Option<u8> {
        let (kind, subtype) = media_type.split_once('/')?;
        match (self.kind.as_str(), self.subtype.as_str()) {
            ("*", "*") => Some(0),
            (one, "*") if one == kind => Some(1),
            (one, other) if (one, other) == (kind, subtype) => Some(2),
            _ => None,
        }
    }
}

/// A weight from 0 to 1 with up to three decimals, in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let weight: f64 = text.parse().ok()?;
    (0.0..=1.0)
        .contains(&weight)
        .then(|| (weight * 1000.0).round() as u16)
}

/// The quality of a type: that of the range that names it most exactly, and the highest of equals.
fn quality(ranges: &[MediaRange], media_type: &str) -> u16 {
    ranges
        .iter()
        .filter_map(|range| Some((range.precision(media_type)?, range.quality)))
        .max()
        .map_or(0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(lines: &[&'static str]) -> Option<Form> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT, line.parse().unwrap());
        }
        Form::of(&headers).ok()
    }

    const SVG: Form = Form::Drawing(FormatChoice::Only(OutputFormat::Svg));
    const PNG: Form = Form::Drawing(FormatChoice::Only(OutputFormat::Png));
    const AS_DRAWN: Form = Form::Drawing(FormatChoice::AsDrawn);

    #[test]
    fn json_is_the_answer_unless_an_image_is_preferred() {
        for accept in [
            "",
            "*/*",
            "application/json",
            "application/*",
            "text/html",
            "text/*",
            "nonsense",
            "image/svg+xml;q=0",
            "image/svg+xml;q=0.5, application/json",
            "image/svg+xml, application/json",
            "application/json, image/png",
            "image/svg+xml;q=0.8, */*;q=0.8",
            "image/jpeg, */*;q=0.1",
            "text/html,application/xhtml+xml,image/avif,image/webp,*/*;q=0.8",
            "image/svg+xml;q=2",
        ] {
            assert_eq!(form(&[accept]), Some(Form::Json), "{accept}");
        }
        assert_eq!(form(&[]), Some(Form::Json));
    }

    #[test]
    fn the_format_with_the_highest_weight_is_chosen() {
        for (accept, expected) in [
            ("image/svg+xml", SVG),
            ("Image/SVG+XML; charset=utf-8", SVG),
            ("image/png", PNG),
            ("image/png;q=0.5, application/json;q=0.4", PNG),
            ("image/svg+xml;q=0.9, image/png", PNG),
            ("image/svg+xml, image/png;Q=0.9", SVG),
            ("image/svg+xml;q=0.001, image/webp", SVG),
            ("image/*, image/svg+xml;q=0.5", PNG),
            ("image/png;q=0, image/*", SVG),
            ("image/svg+xml, */*;q=0.8", SVG),
            ("image/*", AS_DRAWN),
            ("image/svg+xml, image/png", AS_DRAWN),
            (
                "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
                AS_DRAWN,
            ),
        ] {
            assert_eq!(form(&[accept]), Some(expected), "{accept}");
        }
        assert_eq!(form(&["application/json;q=0.1", "image/png"]), Some(PNG));
    }

    #[test]
    fn other_image_types_alone_are_refused() {
        for accept in [
            "image/jpeg",
            "image/webp, image/gif;q=0.5",
            "image/svg+xml;q=0, image/jpeg",
        ] {
            assert_eq!(form(&[accept]), None, "{accept}");
        }
    }
}
