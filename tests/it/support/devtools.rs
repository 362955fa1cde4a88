//! A page in a headless Chromium, driven through the `DevTools` protocol.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use chromiumoxide::cdp::browser_protocol::page::CaptureScreenshotFormat;
use chromiumoxide::cdp::js_protocol::runtime::EvaluateParams;
use chromiumoxide::detection::{DetectionOptions, default_executable};
use chromiumoxide::handler::viewport::Viewport;
use chromiumoxide::page::ScreenshotParams;
use chromiumoxide::{Browser, BrowserConfig};
use futures_util::StreamExt;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::skip::pass_over;

/// How long the browser may take to start, on a machine that runs other tests too.
const LAUNCH_TIMEOUT: Duration = Duration::from_mins(1);

/// How long an expression may take, for example one that waits for a drawing.
const CALL_TIMEOUT: Duration = Duration::from_secs(100);

/// The browser of this machine: `CHROME`, or a known name or place of Chromium or a relative. Without one a
/// test is skipped, but not in CI.
pub(crate) fn browser() -> Option<PathBuf> {
    let found = default_executable(DetectionOptions::default());
    let found = found.ok().filter(|path| {
        // A stub that only explains how to install a browser returns a failure.
        let version = Command::new(path).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        pass_over("no Chromium or Chrome is installed");
    }
    found
}

/// A page of a browser of its own, which ends when the page is dropped.
pub(crate) struct Page {
    pub(super) tab: chromiumoxide::Page,
    events: JoinHandle<()>,
    // The order matters: the browser ends before its profile is removed.
    pub(super) browser: Browser,
    _profile: TempDir,
}

impl Page {
    /// Opens a URL in a viewport of 1280 by 800 pixels, and waits until the page is loaded.
    pub(crate) async fn open(browser: PathBuf, url: &str) -> Self {
        Self::open_sized(browser, url, [1280, 800]).await
    }

    /// Opens a URL in a viewport of this width and height in pixels, and waits until the page is loaded.
    pub(crate) async fn open_sized(browser: PathBuf, url: &str, [width, height]: [u32; 2]) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let config = BrowserConfig::builder()
            .chrome_executable(browser)
            .user_data_dir(profile.path())
            .new_headless_mode()
            // Chromium refuses to run as root with its sandbox.
            .no_sandbox()
            // A window has a minimum size and a frame; this is the size of the page itself.
            .viewport(Viewport {
                width,
                height,
                device_scale_factor: Some(1.0),
                ..Viewport::default()
            })
            .args(["disable-gpu", "disable-component-update"])
            .launch_timeout(LAUNCH_TIMEOUT)
            .request_timeout(CALL_TIMEOUT)
            .build()
            .unwrap();
        let (browser, mut handler) = Browser::launch(config).await.unwrap();
        let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
        let tab = browser.new_page(url).await.unwrap();
        tab.wait_for_navigation().await.unwrap();
        Self {
            tab,
            events,
            browser,
            _profile: profile,
        }
    }

    /// The value of an expression in the page; of a promise, what it resolves to.
    pub(crate) async fn evaluate(&self, expression: &str) -> Value {
        let parameters = EvaluateParams::builder()
            .expression(expression)
            .await_promise(true)
            .return_by_value(true)
            .build()
            .unwrap();
        let result = self.tab.evaluate_expression(parameters).await.unwrap();
        result.value().cloned().unwrap_or_default()
    }

    /// Waits until an expression in the page is true.
    pub(crate) async fn wait_for(&self, expression: &str) {
        let waiting = format!(
            "(async () => {{ while (!({expression})) await new Promise(next => setTimeout(next, 20)) }})()"
        );
        self.evaluate(&waiting).await;
    }

    /// What the viewport shows, as PNG.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        let parameters = ScreenshotParams::builder()
            .format(CaptureScreenshotFormat::Png)
            .build();
        self.tab.screenshot(parameters).await.unwrap()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.events.abort();
    }
}
