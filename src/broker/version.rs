//! What processes of different versions that share a broker understand of each other.

use super::error::BrokerError;

/// The format of a prediction in the broker. It grows when processes of the version before could misunderstand a prediction:
/// with a new input, for example. They leave it to newer ones then.
pub(super) const FORMAT: u32 = 1;

/// The layout of the keys in the broker. It grows when scripts of the version before must not run any more. Its processes
/// refuse the broker then.
pub(super) const LAYOUT: u32 = 1;

/// Checks that this version understands predictions of a format.
///
/// # Errors
/// If only a newer version does.
pub(super) fn check_format(format: u32) -> Result<(), BrokerError> {
    check("the prediction", "format", format, FORMAT)
}

/// Checks that this version knows a layout of the keys.
///
/// # Errors
/// If only a newer version does.
pub(super) fn check_layout(layout: u32) -> Result<(), BrokerError> {
    check("its keys", "layout", layout, LAYOUT)
}

fn check(what: &str, name: &str, found: u32, known: u32) -> Result<(), BrokerError> {
    if found <= known {
        return Ok(());
    }
    let what = format!("{what} ({name} {found}, this version knows {known})");
    Err(BrokerError::Newer(what))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::hex::lower_hex;
    use crate::inputs::FIELDS;
    use crate::service::Job;

    #[test]
    fn the_format_grows_with_the_inputs_and_with_the_job() {
        let mut job = json!(Job::sample("a"));
        let mut inputs: Vec<_> = FIELDS
            .iter()
            .map(|field| format!("{} {:?}", field.name, field.kind))
            .collect();
        inputs.sort();
        job["input"] = json!(inputs);
        for value in ["notes", "created_at"] {
            job[value] = json!("");
        }
        let digest = lower_hex(&Sha256::digest(job.to_string()));
        assert_eq!(
            (FORMAT, &digest[..16]),
            (1, "46f1738e59b97c14"),
            "older processes could misunderstand a prediction: raise FORMAT, and put both here"
        );
    }

    #[test]
    fn what_is_newer_is_refused_by_its_number() {
        check_format(FORMAT).unwrap();
        check_layout(0).unwrap();
        let error = check_layout(LAYOUT + 1).unwrap_err().to_string();
        assert_eq!(
            error,
            "a newer version of clipdraw has written its keys (layout 2, this version knows 1)"
        );
    }
}
