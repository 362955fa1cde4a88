//! Pictures as cameras and programs write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clipdraw::import::{DecodedPicture, decode_picture};
use image::ImageEncoder as _;

use crate::file_inputs::png;
use crate::import::svg;

const ANIMATED_WEBP: &str = "UklGRoQAAABXRUJQVlA4WAoAAAACAAAAAAAAAAAAQU5JTQYAAAAAAAAAAABBTk1GKAAAAAAAAAAAAAAAAAAAAGQAAAJWUDhMDwAAAC8AAAAABxD9j/4HIqL/AQBBTk1GKAAAAAAAAAAAAAAAAAAAAGQAAABWUDhMDwAAAC8AAAAABxDR//4HIqL/AQA=";

/// The corners of a picture whose left half is transparent red and whose right half is opaque blue.
fn corners(picture: &DecodedPicture) -> [Vec<u8>; 2] {
    [[0, 0], [picture.width - 1, picture.height - 1]].map(|[x, y]| {
        let channels = 0..picture.channels;
        channels
            .map(|channel| picture.value(channel, x, y))
            .collect()
    })
}

#[test]
fn gray_pictures_and_those_with_16_bits_or_a_palette_have_their_colors() {
    let encoded = |color: png::ColorType, depth: png::BitDepth, data: &[u8], size: [u32; 2]| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, size[0], size[1]);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == png::ColorType::Indexed {
            encoder.set_palette(&[255_u8, 0, 0, 0, 0, 255][..]);
            encoder.set_trns(&[0_u8][..]);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        decode_picture(&bytes).unwrap()
    };
    let gray = encoded(
        png::ColorType::Grayscale,
        png::BitDepth::Sixteen,
        &[0x40, 0, 0xff, 0xff],
        [2, 1],
    );
    assert_eq!(corners(&gray), [vec![64; 3], vec![255; 3]]);
    let one_bit = encoded(
        png::ColorType::Grayscale,
        png::BitDepth::One,
        &[0b0100_0000],
        [2, 1],
    );
    assert_eq!(corners(&one_bit), [vec![0; 3], vec![255; 3]]);
    let gray_alpha = encoded(
        png::ColorType::GrayscaleAlpha,
        png::BitDepth::Eight,
        &[9, 0, 200, 255],
        [2, 1],
    );
    assert_eq!(
        corners(&gray_alpha),
        [vec![9, 9, 9, 0], vec![200, 200, 200, 255]]
    );
    let wide = [255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255];
    let rgba = encoded(png::ColorType::Rgba, png::BitDepth::Sixteen, &wide, [2, 1]);
    let expected = [vec![255, 0, 0, 0], vec![0, 0, 255, 255]];
    assert_eq!(corners(&rgba), expected);
    let palette = encoded(
        png::ColorType::Indexed,
        png::BitDepth::Eight,
        &[0, 1],
        [2, 1],
    );
    assert_eq!(corners(&palette), expected);
}

#[test]
fn a_photograph_is_turned_as_its_metadata_says() {
    let pixels = image::RgbImage::from_fn(32, 16, |x, _| {
        image::Rgb(if x < 16 { [255, 0, 0] } else { [0, 0, 255] })
    });
    // Exif with the orientation 6: what is left in the file is at the top.
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.set_exif_metadata(exif.to_vec()).unwrap();
    encoder.encode_image(&pixels).unwrap();
    let picture = decode_picture(&bytes).unwrap();
    assert_eq!((picture.width, picture.height), (16, 32));
    for (y, expected) in [(2, [255, 0, 0]), (29, [0, 0, 255])] {
        for (channel, expected) in expected.into_iter().enumerate() {
            assert!(picture.value(channel, 8, y).abs_diff(expected) < 8);
        }
    }
}

#[test]
fn of_an_animation_the_first_picture_is_used_with_a_note() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[1, 2, 3]).unwrap();
    writer.write_image_data(&[4, 5, 6]).unwrap();
    writer.finish().unwrap();
    let picture = decode_picture(&bytes).unwrap();
    assert_eq!(picture.values, [1, 2, 3]);
    assert_eq!(
        picture.notes,
        ["it is an animation; only its first picture is used"]
    );
    assert!(decode_picture(&png()).unwrap().notes.is_empty());
}

#[test]
fn of_an_animated_webp_the_first_picture_is_used_with_a_note() {
    // Two frames of one pixel, red and blue, written by libwebp.
    let bytes = STANDARD.decode(ANIMATED_WEBP).unwrap();
    let picture = decode_picture(&bytes).unwrap();
    assert_eq!(picture.values, [255, 0, 0]);
    assert_eq!(
        picture.notes,
        ["it is an animation; only its first picture is used"]
    );
}

#[test]
fn a_png_with_another_gamma_looks_as_in_a_browser() {
    let gray = |gamma: Option<u32>, is_srgb: bool| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
        encoder.set_color(png::ColorType::Rgb);
        if let Some(gamma) = gamma {
            encoder.set_source_gamma(png::ScaledFloat::from_scaled(gamma));
        }
        let mut writer = encoder.write_header().unwrap();
        if is_srgb {
            writer.write_chunk(png::chunk::sRGB, &[0]).unwrap();
        }
        writer.write_image_data(&[0, 55, 255]).unwrap();
        writer.finish().unwrap();
        decode_picture(&bytes).unwrap().values
    };
    // Linear light: 55 / 255 to the power of 1 / 2.2 is 0.498.
    assert_eq!(gray(Some(100_000), false), [0, 127, 255]);
    assert_eq!(gray(Some(100_000), true), [0, 55, 255]);
    for usual in [None, Some(45_455), Some(45_000), Some(0)] {
        assert_eq!(gray(usual, false), [0, 55, 255], "{usual:?}");
    }
}

#[test]
fn other_formats_are_named() {
    let cases: [(&[u8], &str); 7] = [
        (
            b"GIF89a\x01\0",
            "its format is GIF; only PNG, JPEG, WebP and SVG are read",
        ),
        (
            b"\0\0\0\x18ftypheic\0\0",
            "its format is HEIC; only PNG, JPEG, WebP and SVG are read",
        ),
        (
            b"\0\0\0\x20ftypavif\0\0",
            "its format is AVIF; only PNG, JPEG, WebP and SVG are read",
        ),
        (
            b"%PDF-1.7\n<svg",
            "its format is PDF; only PNG, JPEG, WebP and SVG are read",
        ),
        (b"<p>hello</p>", "it is not a PNG, JPEG, WebP or SVG"),
        (
            b"<svg>\xfc</svg>",
            "the SVG is encoded neither as UTF-8 nor as UTF-16",
        ),
        (b"\xfc\xfc", "it is not a PNG, JPEG, WebP or SVG"),
    ];
    for (start, expected) in cases {
        assert_eq!(decode_picture(start).unwrap_err().to_string(), expected);
    }
}

#[test]
fn an_svg_is_painted_with_enough_pixels_on_its_shorter_side() {
    for (width, height, expected) in [
        (10.0, 10.0, [512, 512]),
        (30.0, 20.0, [768, 512]),
        (100.0, 1000.0, [229, 2290]),
        (1.0e6, 1.0, [4096, 1]),
    ] {
        let text = svg(
            &format!(r#"width="{width}" height="{height}""#),
            &format!(r#"<rect width="{}" height="{height}"/>"#, width / 2.0),
        );
        let picture = decode_picture(text.as_bytes()).unwrap();
        assert_eq!([picture.width, picture.height], expected);
        let ink = picture.value(3, picture.width / 4, 0);
        let empty = picture.value(3, picture.width - 1, picture.height - 1);
        assert_eq!((ink, empty), (255, 0), "{width} x {height}");
    }
    // A shape that would be too large then is painted more coarsely.
    let wide = svg(
        r#"width="100" height="10""#,
        r#"<rect width="1000" height="10"/>"#,
    );
    let picture = decode_picture(wide.as_bytes()).unwrap();
    assert_eq!([picture.width, picture.height], [512, 51]);
}
