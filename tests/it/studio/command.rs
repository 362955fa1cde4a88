//! `clipdraw studio`, the whole program with its model.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::page::{open_address, wait_for_state};

/// The running command, which ends with the test.
struct Studio {
    child: Child,
    address: String,
}

impl Studio {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_clipdraw"))
            .args(["studio", "--no-browser"])
            .env("CLIPDRAW_STORE", "none")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let mut words = line.split_whitespace();
        let address = words.find(|word| word.starts_with("http://")).unwrap();
        Self {
            child,
            address: address.to_owned(),
        }
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        let id = Pid::from_raw(self.child.id().cast_signed());
        // It has ended already if the test has failed because of that.
        let _ = kill(id, Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// The response to a request for the page, with this header `Host`.
fn get(address: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /studio HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn the_command_serves_the_page_on_a_free_port_of_this_machine() {
    let studio = Studio::start();
    assert!(
        studio.address.starts_with("http://127.0.0.1:"),
        "{}",
        studio.address
    );
    assert!(studio.address.ends_with("/studio") && !studio.address.contains(":0/"));
    let address = studio.address.strip_prefix("http://").unwrap();
    let (address, _) = address.split_once('/').unwrap();
    let page = get(address, address);
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("<title>clipdraw studio"));
    assert!(get(address, "evil.example").starts_with("HTTP/1.1 403 "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "scripts/pictures makes it, with the model"]
async fn the_picture_of_the_readme() {
    let studio = Studio::start();
    let inputs = "#prompt=a+hamburger&seed=2";
    let Some(page) = open_address(&format!("{}{inputs}", studio.address)).await else {
        return;
    };
    page.resize([1280, 900], false).await;
    loop {
        page.click("button", "Draw").await;
        page.wait_for(
            "document.querySelector('.card h3, .prompt [role=alert]:not(:empty)') !== null",
        )
        .await;
        if page
            .evaluate("document.querySelector('.card h3') !== null")
            .await
            == true
        {
            break;
        }
    }
    wait_for_state(&page, "Step 5").await;
    page.wait_for("/^Step 5[0-9]0/.test(document.querySelector('.card .state').textContent)")
        .await;
    page.evaluate("scrollTo(0, 0)").await;
    super::page::screenshot(&page, "readme").await;
}
