//! What a person does with a page: clicks, keys, drags, downloads; and what the machine does to it.

use std::path::Path;

use chromiumoxide::cdp::browser_protocol::accessibility::GetFullAxTreeParams;
use chromiumoxide::cdp::browser_protocol::browser::{
    SetDownloadBehaviorBehavior, SetDownloadBehaviorParams,
};
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams,
};
use chromiumoxide::cdp::browser_protocol::input::{
    DispatchKeyEventParams, DispatchKeyEventType, DispatchMouseEventParams, DispatchMouseEventType,
    InsertTextParams, MouseButton,
};
use chromiumoxide::cdp::browser_protocol::page::SetBypassCspParams;
use serde_json::Value;

use super::devtools::Page;

/// The bit of the control key among the modifiers of a key event.
const CONTROL: i64 = 2;

/// Waits for the one visible element with these selector and name, brings it into view, and returns its middle. The
/// name is the text or the label; an empty one means any.
const FIND: &str = r"(async (selector, name) => {
    for (;;) {
        const found = [...document.querySelectorAll(selector)].filter(element =>
            element.checkVisibility() && (!name || element.textContent.trim() === name || element.ariaLabel === name));
        if (found.length > 0) {
            const element = found[0];
            element.scrollIntoView({ block: 'center', behavior: 'instant' });
            const before = element.getBoundingClientRect();
            await new Promise(next => requestAnimationFrame(() => requestAnimationFrame(next)));
            const box = element.getBoundingClientRect();
            // What still moves would not be hit.
            if (element.isConnected && box.left === before.left && box.top === before.top) {
                return [box.left + box.width / 2, box.top + box.height / 2];
            }
        }
        await new Promise(next => setTimeout(next, 20));
    }
})";

impl Page {
    /// The middle of an element, in pixels of the viewport.
    pub(crate) async fn find(&self, selector: &str, name: &str) -> [f64; 2] {
        let place = self
            .evaluate(&format!("{FIND}({selector:?}, {name:?})"))
            .await;
        [0, 1].map(|axis| place[axis].as_f64().unwrap())
    }

    /// Clicks an element with the mouse.
    pub(crate) async fn click(&self, selector: &str, name: &str) {
        let place = self.find(selector, name).await;
        self.mouse(DispatchMouseEventType::MouseMoved, place).await;
        self.mouse(DispatchMouseEventType::MousePressed, place)
            .await;
        self.mouse(DispatchMouseEventType::MouseReleased, place)
            .await;
    }

    /// Moves the mouse to a place.
    pub(crate) async fn hover(&self, place: [f64; 2]) {
        self.mouse(DispatchMouseEventType::MouseMoved, place).await;
    }

    /// Drags an element by a distance in pixels.
    pub(crate) async fn drag(&self, selector: &str, by: [f64; 2]) {
        let [x, y] = self.find(selector, "").await;
        self.mouse(DispatchMouseEventType::MouseMoved, [x, y]).await;
        self.mouse(DispatchMouseEventType::MousePressed, [x, y])
            .await;
        for part in [0.25, 0.5, 0.75, 1.0] {
            let kind = DispatchMouseEventType::MouseMoved;
            let mut event = DispatchMouseEventParams::new(kind, x + part * by[0], y + part * by[1]);
            event.button = Some(MouseButton::Left);
            event.buttons = Some(1);
            self.tab.execute(event).await.unwrap();
        }
        let end = [x + by[0], y + by[1]];
        self.mouse(DispatchMouseEventType::MouseReleased, end).await;
    }

    async fn mouse(&self, kind: DispatchMouseEventType, [x, y]: [f64; 2]) {
        let is_moved = kind == DispatchMouseEventType::MouseMoved;
        let mut event = DispatchMouseEventParams::new(kind, x, y);
        if !is_moved {
            event.button = Some(MouseButton::Left);
            event.click_count = Some(1);
        }
        self.tab.execute(event).await.unwrap();
    }

    /// Replaces the text of a field by typing.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        self.click(selector, "").await;
        self.evaluate(&format!("document.querySelector({selector:?}).select()"))
            .await;
        self.tab.execute(InsertTextParams::new(text)).await.unwrap();
    }

    /// Presses a key, such as `Tab`, ` ` or `ArrowRight`.
    pub(crate) async fn press(&self, key: &str) {
        self.key(key, 0).await;
    }

    /// Presses a key together with the control key.
    pub(crate) async fn press_with_control(&self, key: &str) {
        self.key(key, CONTROL).await;
    }

    async fn key(&self, key: &str, modifiers: i64) {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            " " => ("Space", 32, " "),
            "ArrowLeft" => ("ArrowLeft", 37, ""),
            "ArrowUp" => ("ArrowUp", 38, ""),
            "ArrowRight" => ("ArrowRight", 39, ""),
            "ArrowDown" => ("ArrowDown", 40, ""),
            other => panic!("the key {other} is not known"),
        };
        for kind in [DispatchKeyEventType::KeyDown, DispatchKeyEventType::KeyUp] {
            let mut event = DispatchKeyEventParams::new(kind.clone());
            event.key = Some(key.to_owned());
            event.code = Some(code.to_owned());
            event.windows_virtual_key_code = Some(number);
            event.modifiers = Some(modifiers);
            if kind == DispatchKeyEventType::KeyDown && !text.is_empty() {
                event.text = Some(text.to_owned());
            }
            self.tab.execute(event).await.unwrap();
        }
    }

    /// Lets the page save files into a folder.
    pub(crate) async fn save_downloads_to(&self, folder: &Path) {
        let mut behavior = SetDownloadBehaviorParams::new(SetDownloadBehaviorBehavior::Allow);
        behavior.download_path = Some(folder.to_str().unwrap().to_owned());
        self.browser.execute(behavior).await.unwrap();
    }

    /// Gives the viewport another size.
    pub(crate) async fn resize(&self, [width, height]: [i64; 2], is_mobile: bool) {
        let metrics = SetDeviceMetricsOverrideParams::new(width, height, 1.0, is_mobile);
        self.tab.execute(metrics).await.unwrap();
    }

    /// Sets what the person prefers, such as `prefers-color-scheme: dark`.
    pub(crate) async fn prefer(&self, name: &str, value: &str) {
        let feature = MediaFeature::new(name, value);
        self.tab
            .emulate_media_features(vec![feature])
            .await
            .unwrap();
    }

    /// Ignores the content security policies of pages that are loaded from now on.
    pub(crate) async fn ignore_policies(&self) {
        self.tab
            .execute(SetBypassCspParams::new(true))
            .await
            .unwrap();
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) {
        self.tab.reload().await.unwrap();
    }

    /// The roles and names of everything that a screen reader finds, in its order.
    pub(crate) async fn accessibility_tree(&self) -> Vec<(String, String)> {
        let tree = self
            .tab
            .execute(GetFullAxTreeParams::default())
            .await
            .unwrap();
        let nodes = tree.result.nodes.into_iter().filter(|node| !node.ignored);
        nodes
            .map(|node| {
                let text = |value: Option<Value>| {
                    value.and_then(|value| value.as_str().map(str::to_owned))
                };
                let role = text(node.role.and_then(|role| role.value));
                let name = text(node.name.and_then(|name| name.value));
                (role.unwrap_or_default(), name.unwrap_or_default())
            })
            .collect()
    }
}
