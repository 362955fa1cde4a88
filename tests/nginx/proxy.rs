//! nginx with `deploy/nginx.conf`.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::skip::pass_over;

/// The maximum time until it answers.
const TIMEOUT: Duration = Duration::from_mins(1);

/// nginx, until it is dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    /// Host and port.
    pub(crate) address: String,
    process: Child,
    _folder: TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Nginx {
    /// Whether it is installed. Without it, tests are skipped, except in CI.
    pub(crate) fn is_installed() -> bool {
        let asked = Command::new("nginx")
            .arg("-v")
            .stderr(Stdio::null())
            .status();
        let found = asked.is_ok_and(|status| status.success());
        if !found {
            pass_over("nginx is not installed");
        }
        found
    }

    /// Starts nginx with `deploy/nginx.conf`, of which only the addresses are others, and the path `/`.
    pub(crate) fn start(servers: &[String], path: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        write_configuration(folder.path(), &address, servers, path);
        let mut process = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "stderr"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while TcpStream::connect(&address).is_err() {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < TIMEOUT, "{ended:?}");
            thread::sleep(Duration::from_millis(10));
        }
        Self {
            address,
            process,
            _folder: folder,
        }
    }
}

/// A port that was free a moment ago: nginx cannot choose one.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn write_configuration(folder: &Path, address: &str, servers: &[String], path: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nginx.conf");
    let mut site = fs::read_to_string(source).unwrap();
    let ours = site
        .lines()
        .find(|line| line.trim().starts_with("server 127.0.0.1:5000"))
        .unwrap()
        .to_owned();
    let lines = servers
        .iter()
        .map(|server| ours.replace("127.0.0.1:5000", server));
    let theirs = lines.collect::<Vec<_>>().join("\n");
    let listen = format!("listen {address};");
    for (ours, theirs) in [(ours.as_str(), &theirs), ("listen 8080;", &listen)] {
        assert_eq!(site.matches(ours).count(), 1);
        site = site.replace(ours, theirs);
    }
    if let Some(prefix) = path.strip_suffix('/').filter(|prefix| !prefix.is_empty()) {
        // What the comments of the file say.
        let header = "proxy_set_header X-Forwarded-Prefix";
        let comment = format!("# {header} /draw;");
        for (ours, theirs) in [
            ("    location / {", format!("    location {path} {{")),
            ("http://clipdraw;", "http://clipdraw/;".to_owned()),
            (comment.as_str(), format!("{header} {prefix};")),
        ] {
            assert_eq!(site.matches(ours).count(), 1, "{ours}");
            site = site.replace(ours, &theirs);
        }
    }
    fs::write(folder.join("clipdraw.conf"), site).unwrap();
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders = folders.map(|kind| format!("{kind}_temp_path {kind};\n"));
    let main = format!(
        "daemon off;\nmaster_process off;\nerror_log stderr;\npid nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n{}include clipdraw.conf;\n}}\n",
        folders.concat()
    );
    fs::write(folder.join("nginx.conf"), main).unwrap();
}
