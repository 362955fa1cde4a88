//! Pictures as cameras and programs write them.

use clipdraw::import::{DecodedPicture, decode_picture};
use image::ImageEncoder as _;

use crate::file_inputs::png;

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
