//! Token ids, compared with `open_clip`'s; `scripts/parity --fixtures` writes the list.
use std::io::Read;

use clipdraw::clip::Tokenizer;
use flate2::read::GzDecoder;
use proptest::prelude::{any, proptest};

fn fixture() -> Vec<(String, Vec<i64>)> {
    let mut text = String::new();
    let bytes: &[u8] = include_bytes!("fixtures/tokens.json.gz");
    GzDecoder::new(bytes)
        .read_to_string(&mut text)
        .expect("readable fixture");
    serde_json::from_str(&text).expect("the fixture is a list of pairs")
}

#[test]
fn ids_equal_those_of_open_clip() {
    let tokenizer = Tokenizer::shared();
    let rows = fixture();
    assert!(rows.len() > 2_000, "only {} strings", rows.len());
    let differing: Vec<String> = rows
        .iter()
        .filter_map(|(text, expected)| {
            let found = tokenizer.encode(text);
            let inner = &found[1..found.len() - 1];
            (inner != expected).then(|| format!("{text:?}: {inner:?}, open_clip has {expected:?}"))
        })
        .collect();
    assert!(
        differing.is_empty(),
        "{} of {}:\n{}",
        differing.len(),
        rows.len(),
        differing.join("\n")
    );
}

#[test]
fn a_text_is_between_the_start_and_end_tokens() {
    assert_eq!(
        Tokenizer::shared().encode("a cat"),
        [49_406, 320, 2_368, 49_407]
    );
    assert_eq!(Tokenizer::shared().encode(""), [49_406, 49_407]);
}

proptest! {
    #[test]
    fn any_text_has_ids_of_the_vocabulary(text in any::<String>()) {
        let ids = Tokenizer::shared().encode(&text);
        assert!(ids.iter().all(|id| (0..49_408).contains(id)), "{ids:?}");
    }

    #[test]
    fn any_bytes_read_as_latin_have_ids(bytes in any::<Vec<u8>>()) {
        let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        Tokenizer::shared().encode(&text);
    }
}
