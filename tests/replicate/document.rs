//! The OpenAPI document of `/v1`.

use std::collections::BTreeSet;

use clipdraw::cog::openapi::{complete_document, document as cog_document};
use clipdraw::replicate::openapi::replicate_document;
use serde_json::{Value, json};

use crate::client::server;

fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(key, value)| match value.as_str() {
                Some(target) if key == "$ref" => vec![target],
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn the_document_is_served_to_clients_and_to_the_page_under_docs() {
    let server = server().await;
    for (path, address) in [
        ("/v1/openapi.json", server.url("")),
        // For the page, which may be behind a proxy, relative to the document.
        ("/docs/replicate.json", "..".to_owned()),
    ] {
        let mut expected = replicate_document();
        expected["servers"] = json!([{ "url": address }]);
        assert_eq!(server.get(path).await.json(), expected);
    }
    let page = server.get("/docs/swagger-initializer.js").await.text;
    assert!(
        page.contains("openapi.json") && page.contains("replicate.json"),
        "{page}"
    );
}

#[test]
fn every_reference_resolves_and_every_operation_has_a_unique_name() {
    let document = replicate_document();
    for document in [&document, &complete_document(), &cog_document()] {
        let targets = references(document);
        assert!(targets.len() > 5, "{targets:?}");
        for target in targets {
            let place = target.strip_prefix('#').unwrap();
            assert!(document.pointer(place).is_some(), "{target}");
            // Generators of clients follow references to components only, not into them.
            assert_eq!(target.split('/').count(), 4, "{target}");
        }
    }
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method != "parameters" {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{method} {path}");
            }
        }
    }
    assert!(names.len() >= 17, "{names:?}");
}
