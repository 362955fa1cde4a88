//! A page in a headless Chromium, driven by the browser's `DevTools` protocol.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// Names of Chromium and its relatives on Linux and macOS.
const BROWSERS: [&str; 4] = [
    "chromium",
    "google-chrome",
    "chromium-browser",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// How often it is looked whether the browser listens.
const LOOKING: Duration = Duration::from_millis(50);

/// The browser of this machine; without one a test is passed over, but not in CI.
pub(crate) fn browser() -> Option<PathBuf> {
    let answers = |name: &&&str| {
        // A stub that only tells how to install a browser answers with a failure.
        let answer = Command::new(name).arg("--version").output();
        answer.is_ok_and(|output| output.status.success())
    };
    let found = BROWSERS.iter().find(answers).map(PathBuf::from);
    if found.is_none() {
        pass_over(&format!("there is none of {BROWSERS:?}"));
    }
    found
}

/// Says why a test is passed over; in CI, where nothing that a test needs may be missing, it fails.
#[expect(
    clippy::disallowed_methods,
    reason = "`CI` is set by every CI service and is no setting of ours"
)]
#[expect(clippy::print_stdout, reason = "who runs the tests should know")]
pub(crate) fn pass_over(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI needs it: {why}");
    println!("passed over: {why}");
}

/// A browser that shows nothing, asks nobody, and keeps what it knows in `profile`.
pub(crate) fn headless(browser: &Path, profile: &Path) -> Command {
    let mut command = Command::new(browser);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .arg(format!("--user-data-dir={}", profile.display()));
    command
}

/// A page; its browser ends when it is dropped.
pub(crate) struct Page {
    browser: Child,
    _profile: TempDir,
    socket: WebSocket<TcpStream>,
    session: Value,
    calls: u64,
}

impl Page {
    /// Opens an address and waits until the page is loaded.
    pub(crate) fn open(browser: &Path, address: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let child = headless(browser, profile.path())
            .args(["--remote-debugging-port=0", "about:blank"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (port, path) = door(profile.path());
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let place = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = tungstenite::client(place, stream).unwrap();
        let mut page = Self {
            browser: child,
            _profile: profile,
            socket,
            session: Value::Null,
            calls: 0,
        };
        page.attach();
        page.call("Page.enable", &json!({}));
        page.call("Page.navigate", &json!({"url": address}));
        while page.read()["method"] != "Page.loadEventFired" {}
        page
    }

    /// The value of an expression in the page, once its promise is kept.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true
        });
        let answer = self.call("Runtime.evaluate", &asked);
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression in the page is true.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let waiting = format!(
            "(async () => {{ while (!({expression})) await new Promise(next => setTimeout(next, 20)) }})()"
        );
        self.evaluate(&waiting);
    }

    fn attach(&mut self) {
        let targets = self.call("Target.getTargets", &json!({}));
        let targets = targets["targetInfos"].as_array().unwrap();
        let page = targets.iter().find(|target| target["type"] == "page");
        let which = json!({"targetId": page.unwrap()["targetId"], "flatten": true});
        self.session = self.call("Target.attachToTarget", &which)["sessionId"].clone();
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.calls += 1;
        let mut call = json!({"id": self.calls, "method": method, "params": parameters});
        if self.session.is_string() {
            call["sessionId"] = self.session.clone();
        }
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let said = self.read();
            if said["id"] == self.calls {
                assert!(said.get("error").is_none(), "{call}: {said}");
                return said["result"].clone();
            }
        }
    }

    fn read(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

/// Where the browser listens: its port, and the path of the conversation about all its pages.
fn door(profile: &Path) -> (u16, String) {
    loop {
        let file = std::fs::read_to_string(profile.join("DevToolsActivePort"));
        let file = file.unwrap_or_default();
        if let Some((port, path)) = file.split_once('\n') {
            return (port.parse().unwrap(), path.trim().to_owned());
        }
        sleep(LOOKING);
    }
}
