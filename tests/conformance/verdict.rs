//! Checks whether two responses compare as the table says.

use serde_json::Value;

use super::case::Verdict;
use super::results::short;

/// Checks a verdict: equal answers are equal, a superset has everything and something more, and
/// answers that differ are those in the table.
///
/// # Errors
/// With what would have been right.
pub(super) fn check(verdict: &Verdict, cog: &Value, clipdraw: &Value) -> Result<(), String> {
    let found = if cog == clipdraw {
        "equal"
    } else if missing(cog, clipdraw, "").is_none() {
        "superset"
    } else {
        "different"
    };
    let expected = match verdict {
        Verdict::Equal => "equal",
        Verdict::Superset => "superset",
        Verdict::Better { .. } => "different",
    };
    if found != expected {
        let place = missing(cog, clipdraw, "").unwrap_or_default();
        return Err(format!("{found} instead of {expected} {place}"));
    }
    if let Verdict::Better {
        cog: cogs,
        clipdraw: ours,
        ..
    } = verdict
    {
        for (declared, answer) in [(cogs, cog), (ours, clipdraw)] {
            if *declared != short(answer) {
                return Err(format!("not the answer in the table, {declared}"));
            }
        }
    }
    Ok(())
}

/// The first place where the second value lacks something of the first.
fn missing(part: &Value, whole: &Value, place: &str) -> Option<String> {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().find_map(|(name, value)| {
            let place = format!("{place}/{name}");
            match whole.get(name) {
                Some(found) => missing(value, found, &place),
                None => Some(format!("{place} is missing")),
            }
        }),
        (Value::Array(part), Value::Array(whole)) if part.len() == whole.len() => {
            let pairs = part.iter().zip(whole).enumerate();
            pairs
                .map(|(index, (part, whole))| missing(part, whole, &format!("{place}/{index}")))
                .find_map(|found| found)
        }
        _ => (part != whole).then(|| format!("{place}: {part} and {whole}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_verdict_holds_only_for_its_responses() {
        let better = |cog: &str, clipdraw: &str| Verdict::Better {
            because: "",
            cog: cog.to_owned(),
            clipdraw: clipdraw.to_owned(),
        };
        let (less, more, other) = (
            json!({"a": [1]}),
            json!({"a": [1], "b": 2}),
            json!({"a": []}),
        );
        for (verdict, cog, clipdraw, holds) in [
            (Verdict::Equal, &less, &less, true),
            (Verdict::Equal, &less, &more, false),
            (Verdict::Superset, &less, &more, true),
            (Verdict::Superset, &less, &less, false),
            (Verdict::Superset, &more, &less, false),
            (Verdict::Superset, &less, &other, false),
            (better(&short(&less), &short(&other)), &less, &other, true),
            (better(&short(&less), &short(&less)), &less, &other, false),
            (better(&short(&less), &short(&more)), &less, &more, false),
        ] {
            let checked = check(&verdict, cog, clipdraw);
            assert_eq!(checked.is_ok(), holds, "{verdict:?} {cog} {clipdraw}");
        }
    }
}
