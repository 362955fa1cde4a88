//! Tests that are skipped where something that they need is missing.

/// Says why a test is skipped; in CI, where nothing that a test needs may be missing, it fails.
#[expect(
    clippy::disallowed_methods,
    reason = "`CI` is set by every CI service and is no setting of ours"
)]
#[expect(clippy::print_stdout, reason = "whoever runs the tests should know")]
pub(crate) fn pass_over(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI needs it: {why}");
    println!("skipped: {why}");
}
